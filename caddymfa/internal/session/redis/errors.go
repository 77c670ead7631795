package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/redis/rueidis"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

var (
	errClosed   = errors.New("redis: store is closed")
	errSlow     = errors.New("redis: no answer in time")
	errLost     = errors.New("redis: connection lost")
	errKind     = errors.New("redis: unknown kind of key")
	errDeadline = errors.New("redis: deadline is not in the future, or too far ahead")
	errTooLong  = errors.New("redis: value is too long")
	errGroups   = errors.New("redis: too many groups")
	errWindow   = errors.New("redis: window is not positive, or too long")
	errCounter  = errors.New("redis: key holds a counter, not a record")
	errRecord   = errors.New("redis: key holds a record, not a counter")
	errReply    = errors.New("redis: reply is not understood")
	errCursor   = errors.New("redis: cursor was not made by this store")
	errMoved    = errors.New("redis: the servers have changed since the list was begun; begin again")
)

// describe puts err, which rueidis returned, into words that name the cause.
func describe(err error) error {
	if reply, ok := rueidis.IsRedisErr(err); ok {
		return explain(reply.Error())
	}
	var dial *net.OpError
	switch {
	case errors.As(err, &dial) && dial.Op == "dial":
		return fmt.Errorf("redis: cannot connect: %w", err)
	case isAny(err, context.DeadlineExceeded, os.ErrDeadlineExceeded):
		return errSlow
	case isAny(err, rueidis.ErrClosing, rueidis.ErrDoCacheAborted, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed):
		return errLost
	}
	return fmt.Errorf("redis: %w", err)
}

// causes returns replies in the operator's words. Redis puts its word in front;
// older ones put it into the middle if a script stumbled.
func causes() []struct{ word, cause string } {
	return []struct{ word, cause string }{
		{"WRONGPASS", "wrong password"},
		{"invalid password", "wrong password"},
		{"without any password configured", "wrong password: the server has none"},
		{"NOAUTH", "a password is required"},
		{"READONLY", "read-only replica"},
		{"MISCONF", "refuses writes, because it cannot save them"},
		{"NOREPLICAS", "refuses writes, because it has too few replicas"},
		{"LOADING", "still loading its data"},
		{"MASTERDOWN", "replica has lost its master"},
		{"CLUSTERDOWN", "cluster is down"},
		{"MOVED", "is a cluster, which the configuration does not say"},
		{"TRYAGAIN", "cluster is moving keys"},
		{"BUSY", "busy with somebody's script"},
		{"WRONGTYPE", "key holds something of another type"},
		{"max number of clients", "has too many clients"},
		{"not an integer", "key holds a record, not a counter"},
		{"No such master", "the Sentinel does not know this master"},
		{"SENTINEL", "is no Sentinel"},
		{"cluster support disabled", "is no cluster"},
	}
}

// explain words an error reply. Of one that is not known it shows the first
// words alone: Redis repeats arguments, and a password may be among them.
func explain(reply string) error {
	if strings.Contains(reply, "OOM ") {
		return fmt.Errorf("redis: out of memory: %w", session.ErrFull)
	}
	if _, what, found := strings.Cut(reply, "NOPERM "); found { // never repeats arguments
		return errors.New("redis: the user lacks a permission: " + what)
	}
	for _, c := range causes() {
		if strings.Contains(reply, c.word) {
			return errors.New("redis: " + c.cause)
		}
	}
	if words := strings.Fields(reply); len(words) > 3 {
		reply = strings.Join(words[:3], " ") + " ..."
	}
	return fmt.Errorf("redis: error reply %q", reply)
}

// withoutCache words an error that is [rueidis.ErrNoCache]: its first line is the
// reply that led to it, if one did. Where HELLO is not known it has not logged
// in either, and what follows is NOAUTH.
func withoutCache(err error) error {
	reply, _, found := strings.Cut(err.Error(), "\n")
	if !found || strings.HasPrefix(reply, "NOAUTH") {
		return errors.New("redis: it speaks RESP2 alone")
	}
	return explain(reply)
}

func isAny(err error, targets ...error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// lost tells an operation whose connection broke, so that a new one may do,
// from one that waited in vain.
func lost(err error) bool {
	return err != nil && !isAny(err, context.Canceled, context.DeadlineExceeded, os.ErrDeadlineExceeded)
}

func forbidden(err error) bool {
	reply, ok := rueidis.IsRedisErr(err)
	return ok && strings.HasPrefix(reply.Error(), "NOPERM")
}

func readOnly(err error) bool {
	reply, ok := rueidis.IsRedisErr(err)
	return ok && strings.Contains(reply.Error(), "READONLY")
}

// turnedAway tells that Redis takes no connection of ours. Then rueidis dials
// again for every command, which a rest has to bound.
func turnedAway(err error) bool {
	reply, ok := rueidis.IsRedisErr(err)
	if !ok {
		return false
	}
	for _, word := range []string{"WRONGPASS", "NOAUTH", "max number of clients"} {
		if strings.Contains(reply.Error(), word) {
			return true
		}
	}
	return false
}
