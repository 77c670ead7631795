package stepup_test

import (
	"context"
	"crypto/rand"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/caddymfa/caddymfa/caddymfa/internal/policy"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
	"github.com/caddymfa/caddymfa/caddymfa/internal/session/memory"
	"github.com/caddymfa/caddymfa/caddymfa/internal/stepup"
	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kit is a gateway's engine in front of a simulated OneLogin, inside a bubble
// with a clock of its own.
type kit struct {
	t      *testing.T
	sim    *simulator.Simulator
	client *onelogin.Client
	store  session.Store
	engine *stepup.Engine
	config stepup.Config

	mu     sync.Mutex
	events []stepup.Event
}

// inBubble runs test with a fresh kit. The bubble fails if a goroutine is left.
func inBubble(t *testing.T, test func(t *testing.T, k *kit), changes ...func(*stepup.Config)) {
	t.Helper()
	inBubbleOn(t, func(*onelogin.Config) {}, test, changes...)
}

// inBubbleOn is inBubble with another client.
func inBubbleOn(t *testing.T, client func(*onelogin.Config), test func(t *testing.T, k *kit), changes ...func(*stepup.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, client, changes...)
		defer k.client.Close()
		defer k.engine.Close()
		test(t, k)
	})
}

func newKit(t *testing.T, change func(*onelogin.Config), changes ...func(*stepup.Config)) *kit {
	t.Helper()
	k := &kit{t: t, sim: simulator.New(simulator.Options{}), store: memory.New(memory.Config{})}
	config := onelogin.Config{
		BaseURL: "https://acme.onelogin.com", ClientID: "demo-client", ClientSecret: "demo-secret",
		Transport: k.sim.Transport(),
	}
	change(&config)
	client, err := onelogin.New(config)
	if err != nil {
		t.Fatal(err)
	}
	k.client = client
	k.config = stepup.Config{Client: client, Store: k.store, Pepper: pepper, Observe: k.observe}
	for _, change := range changes {
		change(&k.config)
	}
	k.engine = stepup.New(k.config)
	return k
}

// pepper is the same for all engines of a test, as on one store it must be.
func pepper(context.Context) ([32]byte, error) { return [32]byte{1}, nil }

func (k *kit) observe(e stepup.Event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.events = append(k.events, e)
}

// seen returns the events so far, in order.
func (k *kit) seen() []stepup.Event {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.events)
}

// another returns a kit on the same store and the same OneLogin with an engine
// of its own, as a second node has. Events are told to k.
func (k *kit) another() *kit {
	engine := stepup.New(k.config)
	k.t.Cleanup(engine.Close)
	return &kit{t: k.t, sim: k.sim, client: k.client, store: k.store, config: k.config, engine: engine}
}

// names returns the names of the events so far, in order.
func (k *kit) names() (names []string) {
	for _, e := range k.seen() {
		names = append(names, e.Name)
	}
	return names
}

// calls fails the test unless OneLogin saw exactly n calls of one kind.
func (k *kit) calls(op string, n int) {
	k.t.Helper()
	if got := k.sim.Calls(op); got != n {
		k.t.Errorf("OneLogin saw %d calls of %q, want %d", got, op, n)
	}
}

// allOps are the calls that a gateway might make.
func allOps() []string {
	return []string{simulator.OpToken, simulator.OpRateLimit, simulator.OpUsers, simulator.OpUser,
		simulator.OpDevices, simulator.OpRemove, simulator.OpActivate, simulator.OpOneShot, simulator.OpVerify,
		simulator.OpPoll, simulator.OpMFAToken, simulator.OpFactors, simulator.OpEnrol, simulator.OpEnrolVerify,
		simulator.OpEnrolPoll, simulator.OpSmart, simulator.OpSmartVerify, simulator.OpLogin,
		simulator.OpLoginVerify, simulator.OpV1Factors, simulator.OpV1Devices, simulator.OpV1Enrol,
		simulator.OpV1Remove, simulator.OpV1Trigger, simulator.OpV1Verify, simulator.OpV1MFAToken,
		simulator.OpSession, simulator.OpUnknown}
}

// tally is what OneLogin saw, by kind of call.
func (k *kit) tally() map[string]int {
	seen := map[string]int{}
	for _, op := range allOps() {
		if n := k.sim.Calls(op); n > 0 {
			seen[op] = n
		}
	}
	return seen
}

// allCalls counts everything that OneLogin saw.
func (k *kit) allCalls() (n int) {
	for _, seen := range k.tally() {
		n += seen
	}
	return n
}

// visitor is one browser with one challenge. Its steps fail the test on an
// error and keep the cookie as a browser would.
type visitor struct {
	*kit
	demand stepup.Demand
	cookie string
}

func (k *kit) visit(user string) *visitor {
	d := stepup.Demand{User: user, Site: "https://app.example.com", Factors: policy.AnyFactor,
		Expires: time.Now().Add(10 * time.Minute)}
	rand.Read(d.Nonce[:])
	return &visitor{kit: k, demand: d}
}

// on is the same browser at another node.
func (v *visitor) on(k *kit) *visitor {
	return &visitor{kit: k, demand: v.demand, cookie: v.cookie}
}

// must unwraps the result of a step that must not fail.
func (v *visitor) must(r stepup.Result, err error) stepup.Result {
	v.t.Helper()
	if err != nil {
		v.t.Fatalf("step returned error %v", err)
	}
	if r.CookieValue != "" {
		v.cookie = r.CookieValue
	}
	return r
}

func (v *visitor) look() stepup.Result {
	v.t.Helper()
	return v.must(v.engine.Look(v.t.Context(), v.demand, v.cookie))
}

// offer returns the id of the first offer of a factor.
func (v *visitor) offer(f policy.Factor) string {
	v.t.Helper()
	for _, o := range v.look().Offers {
		if o.Factor == f {
			return o.ID
		}
	}
	v.t.Fatalf("no offer of %s", f)
	return ""
}

func (v *visitor) start(f policy.Factor) stepup.Result {
	v.t.Helper()
	return v.must(v.engine.Start(v.t.Context(), v.demand, v.cookie, v.offer(f)))
}

func (v *visitor) verify(code string) stepup.Result {
	v.t.Helper()
	return v.must(v.engine.Verify(v.t.Context(), v.demand, v.cookie, code))
}

func (v *visitor) wait(seen uint64) stepup.Result {
	v.t.Helper()
	return v.must(v.engine.Wait(v.t.Context(), v.demand, v.cookie, seen))
}

func (v *visitor) cancel() {
	v.t.Helper()
	if err := v.engine.Cancel(v.t.Context(), v.demand, v.cookie); err != nil {
		v.t.Fatalf("Cancel returned error %v", err)
	}
}

func (v *visitor) finish() (stepup.Proof, bool) {
	v.t.Helper()
	proof, won, err := v.engine.Finish(v.t.Context(), v.demand, v.cookie)
	if err != nil {
		v.t.Fatalf("Finish returned error %v", err)
	}
	return proof, won
}

// refused fails the test if the challenge gives a proof.
func (v *visitor) refused() {
	v.t.Helper()
	if proof, won := v.finish(); won {
		v.t.Errorf("Finish gave %+v, want no proof", proof)
	}
}

// want fails the test unless r is in this state with this notice.
func (v *visitor) want(r stepup.Result, state stepup.State, notice stepup.Notice) {
	v.t.Helper()
	if r.State != state || r.Notice != notice {
		v.t.Fatalf("challenge is %s with notice %q, want %s with %q", r.State, r.Notice, state, notice)
	}
}

// code is what the user would type for a factor.
func (k *kit) code(user string, f simulator.Factor) string {
	k.t.Helper()
	code := k.sim.Code(user, f)
	if code == "" {
		k.t.Fatalf("%s has no %s code", user, f)
	}
	return code
}

// wrong returns the n-th of several codes that differ from right.
func wrong(right string, n int) string {
	codes := [...]string{"111111", "222222", "333333", "444444", "555555", "666666", "777777", "888888", "999999"}
	if code := codes[n%len(codes)]; code != right {
		return code
	}
	return "121212"
}

// gone is the context of a client that has left.
func gone(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx
}

// pass lets time pass on the bubble's clock; no real time is spent.
func (k *kit) pass(d time.Duration) { time.Sleep(d) }
