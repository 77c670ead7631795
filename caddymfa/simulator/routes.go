package simulator

import (
	"net/http"
	"slices"
	"strings"
)

// Kinds of call, for [Simulator.Calls], [Request] and Switches.Only.
const (
	OpToken     = "token"      // POST /auth/oauth2/v2/token, and the older path
	OpRevoke    = "revoke"     // POST /auth/oauth2/revoke
	OpRateLimit = "rate_limit" // GET /auth/rate_limit

	OpUsers      = "users"       // GET /api/2/users
	OpUser       = "user"        // GET /api/2/users/<id>
	OpUserUpdate = "user_update" // PUT /api/2/users/<id>
	OpSetState   = "set_state"   // PUT /api/1/users/<id>/set_state
	OpLock       = "lock"        // PUT /api/1/users/<id>/lock_user
	OpLogOut     = "log_out"     // PUT /api/1/users/<id>/logout

	OpDevices  = "devices"   // GET .../devices
	OpRemove   = "remove"    // DELETE .../devices/<id>
	OpActivate = "activate"  // POST .../verifications
	OpOneShot  = "one_shot"  // POST .../verifications with a code
	OpVerify   = "verify"    // PUT .../verifications/<id>
	OpPoll     = "poll"      // GET .../verifications/<id>
	OpMFAToken = "mfa_token" // POST .../mfa_token

	OpFactors     = "factors"      // GET .../factors
	OpEnrol       = "enrol"        // POST .../registrations
	OpEnrolVerify = "enrol_verify" // PUT .../registrations/<id>
	OpEnrolPoll   = "enrol_poll"   // GET .../registrations/<id>
	OpSmart       = "smart"        // POST /api/2/smart-mfa
	OpSmartVerify = "smart_verify" // POST /api/2/smart-mfa/verify
	OpLogin       = "login"        // POST /api/1/login/auth
	OpLoginVerify = "login_verify" // POST /api/1/login/verify_factor
	OpEvents      = "events"       // GET /api/1/events, .../<id>, .../types
	OpV1Factors   = "v1_factors"   // GET /api/1/users/<id>/auth_factors
	OpV1Devices   = "v1_devices"   // GET .../otp_devices
	OpV1Enrol     = "v1_enrol"     // POST .../otp_devices
	OpV1Remove    = "v1_remove"    // DELETE .../otp_devices/<id>
	OpV1Trigger   = "v1_trigger"   // POST .../otp_devices/<id>/trigger
	OpV1Verify    = "v1_verify"    // POST .../otp_devices/<id>/verify
	OpV1MFAToken  = "v1_mfa_token" // POST .../mfa_token
	OpSession     = "session"      // POST or OPTIONS /session_via_api_token, by a browser
	OpPortal      = "portal"       // the login page and the portal, by a browser
	OpWebhook     = "webhook"      // POST to the webhook's receiver, by the simulator
	OpUnknown     = "unknown"      // anything else
)

// endpoint is one call that the simulator knows.
type endpoint struct {
	op, method string
	path       string  // segments in braces vary
	scopes     []Scope // that may call it; nil: it has rules of its own
	answer     func(*Simulator, *call) reply
	exists     func(Switches) bool // nil: always
}

// endpoints returns all calls, each with what it needs. A known path with
// another method is unknown: OneLogin answers that with 404 and not with 405.
func endpoints() []endpoint {
	return slices.Concat(authEndpoints(), userEndpoints(), mfaEndpoints(), v1Endpoints(), webEndpoints())
}

func authEndpoints() []endpoint {
	return []endpoint{
		{op: OpToken, method: "POST", path: "auth/oauth2/v2/token", answer: (*Simulator).grant},
		{op: OpToken, method: "POST", path: "auth/oauth2/token", answer: (*Simulator).grant},
		{op: OpRevoke, method: "POST", path: "auth/oauth2/revoke", answer: (*Simulator).revoke},
		{op: OpRateLimit, method: "GET", path: "auth/rate_limit", answer: (*Simulator).rateLimit},
		{op: OpLogin, method: "POST", path: "api/1/login/auth", scopes: logInScopes(), answer: (*Simulator).logIn},
		{op: OpLoginVerify, method: "POST", path: "api/1/login/verify_factor", scopes: logInScopes(), answer: (*Simulator).verifyLogin},
		{op: OpSmart, method: "POST", path: "api/2/smart-mfa", scopes: manageAll(), answer: (*Simulator).validateSmart},
		{op: OpSmartVerify, method: "POST", path: "api/2/smart-mfa/verify", scopes: anyScope(), answer: (*Simulator).verifySmart},
		{op: OpSmartVerify, method: "POST", path: "api/2/verify", scopes: anyScope(), answer: (*Simulator).verifySmart,
			exists: func(w Switches) bool { return w.NodeSmartMFAAlias }},
	}
}

func userEndpoints() []endpoint {
	return []endpoint{
		{op: OpUsers, method: "GET", path: "api/2/users", scopes: readUsers(), answer: (*Simulator).listUsers},
		{op: OpUser, method: "GET", path: "api/2/users/{user}", scopes: readUsers(), answer: (*Simulator).getUser},
		{op: OpUserUpdate, method: "PUT", path: "api/2/users/{user}", scopes: manageUsers(), answer: (*Simulator).updateUser},
		{op: OpSetState, method: "PUT", path: "api/1/users/{user}/set_state", scopes: manageAll(), answer: (*Simulator).setState},
		{op: OpLock, method: "PUT", path: "api/1/users/{user}/lock_user", scopes: manageAll(), answer: (*Simulator).lockUser},
		{op: OpLogOut, method: "PUT", path: "api/1/users/{user}/logout", scopes: manageUsers(), answer: (*Simulator).logOut},
		{op: OpEvents, method: "GET", path: "api/1/events", scopes: readUsers(), answer: (*Simulator).listEvents},
		{op: OpEvents, method: "GET", path: "api/1/events/types", scopes: readUsers(), answer: (*Simulator).listEventTypes},
		{op: OpEvents, method: "GET", path: "api/1/events/{event}", scopes: readUsers(), answer: (*Simulator).getEvent},
	}
}

func mfaEndpoints() []endpoint {
	const user = "api/2/mfa/users/{user}/"
	return []endpoint{
		{op: OpFactors, method: "GET", path: user + "factors", scopes: manageAll(), answer: (*Simulator).listFactors},
		{op: OpEnrol, method: "POST", path: user + "registrations", scopes: manageAll(), answer: (*Simulator).enrol},
		{op: OpEnrolVerify, method: "PUT", path: user + "registrations/{id}", scopes: manageAll(), answer: (*Simulator).verifyEnrolment},
		{op: OpEnrolPoll, method: "GET", path: user + "registrations/{id}", scopes: manageAll(), answer: (*Simulator).pollEnrolment},
		{op: OpDevices, method: "GET", path: user + "devices", scopes: manageAll(), answer: (*Simulator).listDevices},
		{op: OpRemove, method: "DELETE", path: user + "devices/{device}", scopes: manageAll(), answer: (*Simulator).removeDevice},
		{op: OpOneShot, method: "POST", path: user + "verifications", scopes: manageAll(), answer: (*Simulator).verifyOneShot},
		{op: OpActivate, method: "POST", path: user + "verifications", scopes: manageAll(), answer: (*Simulator).activate},
		{op: OpVerify, method: "PUT", path: user + "verifications/{id}", scopes: manageAll(), answer: (*Simulator).verify},
		{op: OpPoll, method: "GET", path: user + "verifications/{id}", scopes: manageAll(), answer: (*Simulator).poll},
		{op: OpMFAToken, method: "POST", path: user + "mfa_token", scopes: manageUsers(), answer: (*Simulator).createMFAToken},
		{op: OpMFAToken, method: "POST", path: "api/2/mfs/users/{user}/mfa_token", scopes: manageUsers(),
			answer: (*Simulator).createMFAToken, exists: func(w Switches) bool { return w.MFSAlias }},
	}
}

func v1Endpoints() []endpoint {
	const user = "api/1/users/{user}/"
	return []endpoint{
		{op: OpV1Factors, method: "GET", path: user + "auth_factors", scopes: readUsers(), answer: (*Simulator).listFactorsV1},
		{op: OpV1Factors, method: "GET", path: user + "auth_factor", scopes: readUsers(), answer: (*Simulator).listFactorsV1},
		{op: OpV1Devices, method: "GET", path: user + "otp_devices", scopes: readUsers(), answer: (*Simulator).listDevicesV1},
		{op: OpV1Enrol, method: "POST", path: user + "otp_devices", scopes: manageUsers(), answer: (*Simulator).enrolV1},
		{op: OpV1Remove, method: "DELETE", path: user + "otp_devices/{device}", scopes: manageUsers(), answer: (*Simulator).removeDeviceV1},
		{op: OpV1Trigger, method: "POST", path: user + "otp_devices/{device}/trigger", scopes: manageUsers(), answer: (*Simulator).triggerV1},
		{op: OpV1Verify, method: "POST", path: user + "otp_devices/{device}/verify", scopes: manageUsers(), answer: (*Simulator).verifyV1},
		{op: OpV1MFAToken, method: "POST", path: user + "mfa_token", scopes: manageUsers(), answer: (*Simulator).createMFATokenV1},
	}
}

// webEndpoints are for browsers: OneLogin has them on the host of its API.
func webEndpoints() []endpoint {
	return []endpoint{
		{op: OpSession, method: "POST", path: "session_via_api_token", answer: (*Simulator).startSession},
		{op: OpSession, method: "OPTIONS", path: "session_via_api_token", answer: (*Simulator).preflight},
		{op: OpPortal, method: "GET", path: "", answer: (*Simulator).showPortal},
		{op: OpPortal, method: "GET", path: "portal", answer: (*Simulator).showPortal},
		{op: OpPortal, method: "GET", path: "login", answer: (*Simulator).showPortal},
		{op: OpPortal, method: "POST", path: "login", answer: (*Simulator).signInByPassword},
		{op: OpPortal, method: "POST", path: "logout", answer: (*Simulator).signOut},
	}
}

// allOps returns every kind of call once, and the one that the simulator makes.
func allOps() []string {
	var ops []string
	for _, e := range endpoints() {
		if !slices.Contains(ops, e.op) {
			ops = append(ops, e.op)
		}
	}
	return append(ops, OpWebhook, OpUnknown)
}

// route finds the endpoint of c. One slash at the end is ignored, as the
// documentation's own samples have one.
func (s *Simulator) route(c *call) {
	path := strings.TrimSuffix(c.request.URL.Path, "/")
	switch {
	case strings.HasPrefix(path, "/api/2/"):
		c.area = areaV2
	case strings.HasPrefix(path, "/api/1/"):
		c.area = areaV1
	}
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, e := range s.endpoints {
		// Activation and one-shot verify share method and path: only the body
		// tells them apart.
		if e.op == OpOneShot && !carriesCode(c.body) {
			continue
		}
		if values, ok := e.match(c.method, parts); ok {
			c.endpoint, c.op, c.values = &s.endpoints[i], e.op, values
			return
		}
	}
}

// match compares method and path, and returns what stands in the braces.
func (e endpoint) match(method string, parts []string) (map[string]string, bool) {
	pattern := strings.Split(e.path, "/")
	if method != e.method || len(pattern) != len(parts) {
		return nil, false
	}
	values := map[string]string{}
	for i, segment := range pattern {
		if name, varies := strings.CutPrefix(segment, "{"); varies && parts[i] != "" {
			values[strings.TrimSuffix(name, "}")] = parts[i]
		} else if segment != parts[i] {
			return nil, false
		}
	}
	return values, true
}

// dispatch lets the endpoint of c answer, if its caller may call it.
func (s *Simulator) dispatch(c *call) reply {
	e := c.endpoint
	if e == nil || e.exists != nil && !e.exists(c.switches) {
		return c.unknown()
	}
	answer, refused := reply{}, false
	if e.scopes != nil {
		answer, refused = s.refuse(c, e.scopes)
	}
	if !refused {
		answer = e.answer(s, c)
	}
	return c.inPollForm(answer)
}

func (c *call) unknown() reply {
	if c.area == areaV2 {
		return notFound()
	}
	return errorA(http.StatusNotFound, messageNoRoute)
}
