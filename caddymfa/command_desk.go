package caddymfa

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// deskCommands adds the commands that look after sessions.
func deskCommands(c *cobra.Command) {
	list := &cobra.Command{
		Use:   "sessions [--user <name>] [--site <host>] [--node <name>] [--json] [--address <admin>]",
		Short: "Lists who is verified, where and until when",
		Args:  cobra.NoArgs,
		RunE:  caddycmd.WrapCommandFuncForCobra(sessionsCommand),
	}
	list.Flags().String("user", "", "Only this user: the login name, or OneLogin's user id")
	list.Flags().String("site", "", "Only this site")
	list.Flags().String("node", "", "Only sessions that were made on this node")

	revoke := &cobra.Command{
		Use:   "revoke {--user <name> | --session <id> | --all} [--reason <text>] [--json] [--address <admin>]",
		Short: "Ends sessions now, on every node",
		Long: `Ends sessions now, on every node that shares the store. Open WebSockets, event
streams and downloads of these sessions end as well. The app is not told: what
it has in its own cookies stays.`,
		Args: cobra.NoArgs,
		RunE: caddycmd.WrapCommandFuncForCobra(revokeCommand),
	}
	revoke.Flags().String("user", "", "All sessions of this user: the login name, or OneLogin's user id")
	revoke.Flags().String("session", "", "The session with this id, from caddy mfa sessions")
	revoke.Flags().Bool("all", false, "All sessions of everybody")
	revoke.Flags().String("reason", "", "Why, for the audit log")

	health := &cobra.Command{
		Use:   "health [--json] [--address <admin>]",
		Short: "Tells whether OneLogin and the store can be used",
		Args:  cobra.NoArgs,
		RunE:  caddycmd.WrapCommandFuncForCobra(healthCommand),
	}
	rotate := &cobra.Command{
		Use:   "rotate [--address <admin>]",
		Short: "Makes a new sealing key",
		Long: `Makes a new key for what browsers and stores hold sealed. What the key before
it has sealed still opens until the next rotation, so leave at least the
longest lifetime of a session between two of them.`,
		Args: cobra.NoArgs,
		RunE: caddycmd.WrapCommandFuncForCobra(rotateCommand),
	}
	for _, command := range []*cobra.Command{list, revoke, health, rotate} {
		addAddressFlags(command)
		c.AddCommand(command)
	}
	for _, command := range []*cobra.Command{list, revoke, health} {
		command.Flags().Bool("json", false, "Print JSON")
	}
}

func sessionsCommand(flags caddycmd.Flags) (int, error) {
	all := []sessionJSON{}
	query := url.Values{"limit": {strconv.Itoa(maxListed)}}
	for _, name := range []string{"user", "site", "node"} {
		query.Set(name, flags.String(name))
	}
	for {
		var page sessionsJSON
		if err := askAdmin(flags, http.MethodGet, sessionsPath+"?"+query.Encode(), nil, &page); err != nil {
			return caddy.ExitCodeFailedStartup, err
		}
		all = append(all, page.Sessions...)
		if page.Next == "" {
			break
		}
		query.Set("cursor", page.Next)
	}
	if flags.Bool("json") {
		return caddy.ExitCodeSuccess, printJSON(os.Stdout, all)
	}
	return caddy.ExitCodeSuccess, printSessions(os.Stdout, all, time.Now())
}

// printSessions writes a table for people.
func printSessions(w io.Writer, all []sessionJSON, now time.Time) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "no sessions")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "USER\tSITE\tFACTOR\tPROVED\tSEEN\tENDS\tNODE\tBROWSER\tID")
	for _, s := range all {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s ago\t%s ago\tin %s\t%s\t%s\t%s\n", printable(s.User), s.Site, s.Factor,
			roughly(now.Sub(s.AuthTime)), roughly(now.Sub(s.Seen)), roughly(s.Expires.Sub(now)), printable(s.Node), printable(s.Browser), s.ID)
	}
	return table.Flush()
}

// roughly shows a time span by its largest unit.
func roughly(span time.Duration) string {
	switch {
	case span >= 48*time.Hour:
		return strconv.Itoa(int(span/(24*time.Hour))) + "d"
	case span >= 2*time.Hour:
		return strconv.Itoa(int(span/time.Hour)) + "h"
	case span >= 2*time.Minute:
		return strconv.Itoa(int(span/time.Minute)) + "m"
	}
	return strconv.Itoa(int(max(span, 0)/time.Second)) + "s"
}

// printable keeps a terminal from obeying what somebody put into a name.
func printable(text string) string {
	quoted := strconv.Quote(text)
	if quoted == `"`+text+`"` {
		return text
	}
	return quoted
}

func revokeCommand(flags caddycmd.Flags) (int, error) {
	user, id, all := flags.String("user"), flags.String("session"), flags.Bool("all")
	given := 0
	for _, set := range []bool{user != "", id != "", all} {
		if set {
			given++
		}
	}
	if given != 1 {
		return caddy.ExitCodeFailedStartup, errors.New("give exactly one of --user, --session and --all")
	}
	var done revoked
	var err error
	if id != "" {
		err = askAdmin(flags, http.MethodDelete, sessionsPath+"/"+url.PathEscape(id), nil, &done)
	} else {
		asked := revocation{User: user, All: all, By: processUser(), Reason: flags.String("reason")}
		err = askAdmin(flags, http.MethodPost, "/mfa/revoke", asked, &done)
	}
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	if flags.Bool("json") {
		return caddy.ExitCodeSuccess, printJSON(os.Stdout, done)
	}
	fmt.Printf("sessions ended: %d\n", done.Ended)
	return caddy.ExitCodeSuccess, nil
}

func healthCommand(flags caddycmd.Flags) (int, error) {
	var got healthJSON
	if err := askAdmin(flags, http.MethodGet, "/mfa/health?report", nil, &got); err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	print := printHealth
	if flags.Bool("json") {
		print = func(w io.Writer, h healthJSON) error { return printJSON(w, h) }
	}
	if err := print(os.Stdout, got); err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	if !got.OK {
		return caddy.ExitCodeFailedStartup, errors.New("nobody can verify until this is put right")
	}
	return caddy.ExitCodeSuccess, nil
}

func printHealth(w io.Writer, got healthJSON) error {
	line := func(ok bool, what, good, problem string) {
		if ok {
			fmt.Fprintf(w, "%-9s ok  %s\n", what, good)
		} else {
			fmt.Fprintf(w, "%-9s NO  %s\n", what, problem)
		}
	}
	o := got.OneLogin
	line(o.Ready, "onelogin", fmt.Sprintf("%d of %d calls left for %s", o.Remaining, o.Limit, time.Duration(o.ResetsIn)*time.Second), o.Problem)
	s := got.Store
	line(s.OK, "store", strings.TrimSpace(s.Kind+" "+s.Version+s.Journal+" "+s.Role), s.Problem)
	_, err := fmt.Fprintf(w, "%-9s mfa %s, caddy %s, %s, node %s\n", "versions", got.Versions.MFA, got.Versions.Caddy, got.Versions.Go, got.Node)
	return err
}

func rotateCommand(flags caddycmd.Flags) (int, error) {
	if err := askAdmin(flags, http.MethodPost, "/mfa/rotate", nil, new(struct{})); err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	fmt.Println("a new sealing key is in use; the one before it still opens what it has sealed")
	return caddy.ExitCodeSuccess, nil
}

func printJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
