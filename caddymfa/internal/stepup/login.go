package stepup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

var errNoPasswords = errors.New("this site takes no passwords")

// maxLoginDevices bounds what a challenge keeps of a login.
const maxLoginDevices = 32

// Login gives OneLogin a name and a password. If they are right and OneLogin
// wants a factor besides, the devices of this login are the offers from then
// on, and the browser gets a new cookie value. Nothing is verified by it.
//
// The notice is [WrongPassword] whether the name or the password is wrong, and
// [NoAccess] if the user is not active or OneLogin wants no factor: a password
// alone proves nothing here. Every password is charged to the name as it was
// typed before OneLogin is asked, and a name with no tries left gets
// [TooManyTries], whether or not there is such a user. The client's address is
// charged before the name ([AddressLimited]). The password is sent once and kept
// nowhere.
//
// It does nothing once a factor is activated. An error means that OneLogin or
// the store could not tell, or that the site takes no passwords.
func (e *Engine) Login(ctx context.Context, d Demand, cookieValue, username, password string) (Result, error) {
	if d.Features.Password == nil {
		return Result{}, errNoPasswords
	}
	c, err := e.load(ctx, d)
	switch {
	case err != nil:
		return Result{}, err
	case !c.owned(d, cookieValue):
		return otherBrowser(), nil
	case c.State != Choosing:
		return e.show(ctx, d, c, NoticeNone), nil
	case canonical(username) == "" || password == "":
		return e.show(ctx, d, c, WrongPassword), nil
	}
	if e.client.Budget().Left == 0 {
		return Result{}, errBusy // before anything is counted for a name that anybody may type
	}
	ctx, cancel := detach(ctx)
	defer cancel()
	left, err := e.chargeAddress(ctx, d)
	if err != nil {
		return Result{}, err
	}
	if left.passed { // before anything is counted for the name
		return e.refuseAddress(ctx, d, c, username, left), nil
	}
	left, err = e.charge(ctx, typedSubject(username), e.limits.passwords())
	if err != nil {
		return Result{}, err
	}
	if left.passed {
		r := e.tell(ctx, d, c, Event{Name: EventPasswordLimited, Notice: TooManyTries}, username)
		r.RetryAt = left.retryAt
		return r, nil
	}
	given, err := e.client.Login(ctx, onelogin.LoginRequest{UsernameOrEmail: username, Password: password,
		Subdomain: d.Features.Password.Subdomain, IP: d.Address, ReturnTo: d.Features.Password.ReturnTo})
	if err != nil {
		return Result{}, fmt.Errorf("log in: %w", err)
	}
	return e.judgeLogin(ctx, d, c, cookieValue, username, given)
}

// judgeLogin turns OneLogin's answer to a password into what results.
func (e *Engine) judgeLogin(ctx context.Context, d Demand, c challenge, cookieValue, username string, given onelogin.Login) (Result, error) {
	switch given.Outcome {
	case onelogin.LoginNeedsMFA:
	case onelogin.LoginWithoutMFA:
		return e.tell(ctx, d, c, Event{Name: EventPasswordRefused, Notice: NoAccess, UserID: given.UserID}, username), nil
	default:
		return e.tell(ctx, d, c, Event{Name: EventPasswordWrong, Notice: WrongPassword}, username), nil
	}
	user, found, err := e.client.UserByID(ctx, given.UserID)
	if err != nil {
		return Result{}, fmt.Errorf("read user: %w", err)
	}
	if !found || !user.Active(time.Now()) {
		return e.tell(ctx, d, c, Event{Name: EventPasswordRefused, Notice: NoAccess, UserID: given.UserID}, username), nil
	}
	return e.keepLogin(ctx, d, c, browserHash(cookieValue), event{kind: evLogin, userID: user.ID, username: user.Username,
		login: &login{Typed: canonical(username), StateToken: given.StateToken, Session: d.Features.Password.Session,
			Devices: given.Devices[:min(len(given.Devices), maxLoginDevices)]}})
}

// tell reports what somebody was refused who gave a name, and shows c with why.
func (e *Engine) tell(ctx context.Context, d Demand, c challenge, told Event, username string) Result {
	told.User, told.Site, told.ChallengeRef, told.State = username, d.Site, challengeRef(challengeKey(d)), c.State
	e.observe(told)
	return e.show(ctx, d, c, told.Notice)
}

// keepLogin records a login in the challenge, which is stored now if it was not.
func (e *Engine) keepLogin(ctx context.Context, d Demand, c challenge, browser string, ev event) (Result, error) {
	key := challengeKey(d)
	if c.Revision == 0 {
		if err := e.create(ctx, key, c); err != nil {
			return Result{}, err
		}
	}
	cookieValue := newCookieValue()
	ev.browser, ev.newBrowser = browser, browserHash(cookieValue)
	c, kept, err := e.change(ctx, key, ev)
	if err != nil {
		return Result{}, err
	}
	if !kept || !c.ownedBy(ev.newBrowser) {
		return otherBrowser(), nil
	}
	r := e.show(ctx, d, c, NoticeNone)
	r.CookieValue = cookieValue
	return r, nil
}

// loginWay proves the devices of a session login (docs/onelogin.md, Session
// login).
type loginWay struct{ *Engine }

func (w loginWay) activate(ctx context.Context, a activation) (opened, error) {
	o := opened{way: wayLogin, handle: a.challenge.Login.StateToken, polled: push(a.device.factor)}
	if showsCodes(a.device.factor) {
		return o, nil
	}
	verdict, _, err := w.client.VerifyLogin(ctx, a.challenge.session(), a.device.ID, "", false)
	if err != nil {
		return opened{}, fmt.Errorf("activate factor: %w", err)
	}
	o.gone = verdict == onelogin.Denied || verdict == onelogin.Gone
	return o, nil
}

func (w loginWay) verify(ctx context.Context, c challenge, code string) (answer, error) {
	return w.ask(ctx, c, code)
}

func (w loginWay) poll(ctx context.Context, c challenge) (answer, error) {
	return w.ask(ctx, c, "")
}

// ask never makes OneLogin send anything again.
func (w loginWay) ask(ctx context.Context, c challenge, code string) (answer, error) {
	verdict, sessionToken, err := w.client.VerifyLogin(ctx, c.session(), c.DeviceID, code, true)
	return answer{verdict: verdict, sessionToken: sessionToken}, err
}

// session is the login as OneLogin's client wants it.
func (c challenge) session() onelogin.Login {
	l := onelogin.Login{UserID: c.UserID}
	if c.Login != nil {
		l.StateToken = c.Login.StateToken
	}
	return l
}

// loginDevices are the devices of c's login that will do for d.
func loginDevices(d Demand, c challenge) (will []device, others []string) {
	will, others = usable(d, c.Login.Devices)
	for i := range will {
		will[i].way = wayLogin
	}
	return will, others
}
