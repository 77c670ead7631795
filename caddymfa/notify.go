package caddymfa

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"go.uber.org/zap"

	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
)

// Names of Caddy events. They never change; docs/events.md lists what each of
// them carries.
const (
	caddyChallenge      = "mfa_challenge"
	caddySuccess        = "mfa_success"
	caddyFailure        = "mfa_failure"
	caddyLockout        = "mfa_lockout"
	caddyPushReported   = "mfa_push_reported"
	caddySessionRevoked = "mfa_session_revoked"
	caddyProviderDown   = "mfa_provider_down"
)

const (
	// queuedNotices bounds what waits for slow handlers of events.
	queuedNotices = 256

	// downEvery bounds how often one says that OneLogin is down.
	downEvery = time.Minute
)

// notice is one Caddy event that is about to be told.
type notice struct {
	name   string
	fields map[string]any
}

// notifier tells Caddy's event handlers what happens. Handlers may block, so
// they are called from one goroutine, behind a queue: no request waits for
// them, and when they cannot keep up events are dropped and that is logged.
type notifier struct {
	queue   chan notice
	newest  atomic.Pointer[subscribers]
	dropped atomic.Int64
	down    atomic.Int64 // when it was last said that OneLogin is down; Unix nanoseconds
	close   func()
}

// subscribers are the handlers of one config.
type subscribers struct {
	ctx caddy.Context
	app *caddyevents.App
	log *zap.Logger
}

func newNotifier() *notifier {
	n := &notifier{queue: make(chan notice, queuedNotices)}
	stop := make(chan struct{})
	var telling sync.WaitGroup
	telling.Go(func() { n.tellAll(stop) })
	n.close = sync.OnceFunc(func() {
		close(stop)
		telling.Wait()
	})
	return n
}

// subscribe lets the handlers of a newer config take over.
func (n *notifier) subscribe(ctx caddy.Context, log *zap.Logger) error {
	app, err := ctx.App("events")
	if err != nil {
		return err
	}
	n.newest.Store(&subscribers{ctx: ctx, app: app.(*caddyevents.App), log: log})
	return nil
}

// tell hands an event to the handlers, if there are any for it.
func (n *notifier) tell(name string, fields map[string]any) {
	to := n.newest.Load()
	if to == nil || !to.app.ShouldEmit(name) {
		return
	}
	select {
	case n.queue <- notice{name, fields}:
	default:
		if n.dropped.Add(1)%queuedNotices == 1 {
			to.log.Warn("event handlers are too slow: events are dropped", zap.String("event", name), zap.Int64("dropped", n.dropped.Load()))
		}
	}
}

func (n *notifier) tellAll(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case one := <-n.queue:
			if to := n.newest.Load(); to != nil {
				to.app.Emit(to.ctx, one.name, one.fields)
			}
		}
	}
}

// challenge tells what happened to a challenge.
func (n *notifier) challenge(event stepup.Event) {
	name := caddyName(event.Name)
	if name == "" {
		return
	}
	n.tell(name, map[string]any{
		"event": event.Name, "user": event.User, "user_id": event.UserID, "site": event.Site,
		"factor": string(event.Factor), "challenge": event.ChallengeRef, "address": event.Address,
	})
}

// caddyName is the Caddy event for an event of a challenge, or "".
func caddyName(event string) string {
	switch event {
	case stepup.EventStarted:
		return caddyChallenge
	case stepup.EventVerified:
		return caddySuccess
	case stepup.EventCodeWrong, stepup.EventCodeReplayed, stepup.EventPushDenied, stepup.EventDenied,
		stepup.EventPasswordWrong, stepup.EventPasswordRefused:
		return caddyFailure
	case stepup.EventLocked:
		return caddyLockout
	case stepup.EventPushReported:
		return caddyPushReported
	}
	return ""
}

// providerDown tells that OneLogin did not answer, once a minute at most.
func (n *notifier) providerDown(op string, status int) {
	now, last := time.Now().UnixNano(), n.down.Load()
	if now-last >= int64(downEvery) && n.down.CompareAndSwap(last, now) {
		n.tell(caddyProviderDown, map[string]any{"op": op, "status": status})
	}
}
