package caddymfa

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/user"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:      "mfa",
		Short:     "Looks after multi-factor verification",
		Long:      "Looks after multi-factor verification in a running Caddy, through its admin API.",
		CobraFunc: mfaCommand,
	})
}

func mfaCommand(c *cobra.Command) {
	temporary := &cobra.Command{
		Use:   "token <user> --reason <text> [--for 15m] [--reusable] [--by <name>] [--address <admin>]",
		Short: "Makes a temporary code for a person who has lost their phone",
		Long: `Makes a temporary code for a person who has lost their phone, and prints it.

The code is good at every app of the OneLogin tenant until it ends. Make sure
that you speak to the person, read the code to them and to nobody else, and
keep its life short. Who made it, why, and every use is in the audit log.

The running config needs help_desk in the global option mfa.`,
		Args: cobra.ExactArgs(1),
		RunE: caddycmd.WrapCommandFuncForCobra(temporaryCommand),
	}
	temporary.Flags().String("for", "15m", "How long the code is good, from 2m to 72h")
	temporary.Flags().String("reason", "", "Why, for the audit log (required)")
	temporary.Flags().String("by", "", "Who makes it, for the audit log (default: the user of this process)")
	temporary.Flags().Bool("reusable", false, "Let the code be used more than once")
	addAddressFlags(temporary)

	ready := &cobra.Command{
		Use:   "ready [--address <admin>]",
		Short: "Tells whether OneLogin answers the configured credential",
		Args:  cobra.NoArgs,
		RunE:  caddycmd.WrapCommandFuncForCobra(readyCommand),
	}
	addAddressFlags(ready)
	c.AddCommand(temporary, ready)
	deskCommands(c)
}

func addAddressFlags(c *cobra.Command) {
	c.Flags().String("address", "", "Address of the admin API; also unix//path (default: the config's)")
	c.Flags().StringP("config", "c", "", "Configuration file to read the address from")
	c.Flags().StringP("adapter", "a", "", "Name of the config adapter to apply")
}

func temporaryCommand(flags caddycmd.Flags) (int, error) {
	asked := temporaryRequest{
		User: flags.Arg(0), For: flags.String("for"), Reason: flags.String("reason"),
		By: flags.String("by"), Reusable: flags.Bool("reusable"),
	}
	if asked.Reason == "" {
		return caddy.ExitCodeFailedStartup, errors.New("--reason is missing: say why, for the audit log")
	}
	if asked.By == "" {
		asked.By = processUser()
	}
	var code temporaryAnswer
	if err := askAdmin(flags, http.MethodPost, "/mfa/token", asked, &code); err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	uses := "once"
	if code.Reusable {
		uses = "any number of times"
	}
	fmt.Printf("%s\ngood %s until %s\n", code.Code, uses, code.ExpiresAt.Local().Format(time.RFC1123))
	return caddy.ExitCodeSuccess, nil
}

func readyCommand(flags caddycmd.Flags) (int, error) {
	var got readiness
	if err := askAdmin(flags, http.MethodGet, "/mfa/ready", nil, &got); err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	fmt.Printf("OneLogin answers; %d of %d calls are left for %s\n", got.Remaining, got.Limit, time.Duration(got.ResetsIn)*time.Second)
	return caddy.ExitCodeSuccess, nil
}

// processUser is who runs this process, as the system names them.
func processUser() string {
	if current, err := user.Current(); err == nil {
		return current.Username
	}
	return "unknown"
}

// askAdmin sends a request to the admin API of the running Caddy.
func askAdmin(flags caddycmd.Flags, method, path string, body, into any) error {
	address, err := caddycmd.DetermineAdminAPIAddress(flags.String("address"), nil, flags.String("config"), flags.String("adapter"))
	if err != nil {
		return fmt.Errorf("find the admin API: %w", err)
	}
	var sent bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&sent).Encode(body); err != nil {
			return err
		}
	}
	response, err := caddycmd.AdminAPIRequest(address, method, path, nil, &sent)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return json.NewDecoder(response.Body).Decode(into)
}
