package onelogin

import (
	"encoding/json"
	"net/http"
	"strings"
)

// Verdict is what OneLogin says about a verification.
type Verdict int

// The verdicts. Only [Accepted] proves anything.
const (
	Undecided Verdict = iota // we could not tell; comes with an error
	Accepted                 // the user proved the device
	Pending                  // the user has not answered yet
	WrongCode                // not this code; another may be tried until the verification ends
	Denied                   // refused for good, or an answer that we do not know
	Gone                     // no such verification: expired or used
)

// String returns the verdict in words for logs, such as "wrong code".
func (v Verdict) String() string {
	switch v {
	case Accepted:
		return "accepted"
	case Pending:
		return "pending"
	case WrongCode:
		return "wrong code"
	case Denied:
		return "denied"
	case Gone:
		return "gone"
	default:
		return "undecided"
	}
}

// question is what was asked of a verification.
type question int

const (
	typed  question = iota // is this the code?
	polled                 // has the user answered?
)

// judge reads an answer about a verification or a registration, by the table
// in docs/onelogin.md, Verdicts. Whatever is not listed there is Denied.
// Undecided means that the answer is an error.
func judge(q question, a answer, v Verification) Verdict {
	if a.status == http.StatusOK {
		return judgeBody(q, a.body, v)
	}
	return judgeStatus(q, a)
}

// judgeStatus reads all answers but 200, of both MFA APIs. A 401 arrives here
// only after the access token was found to be alive, so it speaks of the code
// or of the verification.
func judgeStatus(q question, a answer) Verdict {
	switch {
	case a.status == http.StatusUnauthorized:
		return judgeUnauthorized(q, a)
	case a.status == http.StatusNotFound && a.says() == saysNoRoute:
		return Undecided
	case a.status == http.StatusNotFound:
		return Gone
	case a.status == http.StatusBadRequest, a.status == http.StatusUnprocessableEntity:
		return judgeBadRequest(q, a)
	case a.status == http.StatusForbidden, a.status == http.StatusRequestTimeout, busy(a.status):
		return Undecided
	default:
		return Denied
	}
}

func judgeBody(q question, body []byte, v Verification) Verdict {
	record, err := parseRecord(body)
	if err != nil || !spelledExactly(record, "status", "id", "user_id", "device_id") {
		return Denied
	}
	switch status := record["status"].(type) {
	case string:
		return judgeWord(q, status, v.names(record) && !claimsError(record))
	case object:
		return judgeEnvelope(q, status, v.names(record) && bare(record))
	default:
		return Denied
	}
}

// claimsError reports whether a record says that it is an error. None of ours
// has to: this is for one that says two things at once.
func claimsError(record object) bool {
	return record["error"] != nil && record["error"] != false
}

// bare reports whether an envelope says nothing but its status. With data it
// answers another question than ours, and may be about somebody else.
func bare(record object) bool {
	if !spelledExactly(record, "data") {
		return false
	}
	switch data := record["data"].(type) {
	case nil:
		return true
	case []any:
		return len(data) == 0
	case object:
		return len(data) == 0
	default:
		return false
	}
}

// judgeWord reads {"status":"accepted"}, the body of OneLogin's servers.
func judgeWord(q question, status string, own bool) Verdict {
	switch {
	case status == "accepted" && own:
		return Accepted
	case status == "pending" && q == typed:
		return WrongCode
	case status == "pending" && q == polled:
		return Pending
	default:
		return Denied
	}
}

// judgeEnvelope reads {"status":{"type":"success",…}}, the body of OneLogin's
// documents, which show it for codes only.
func judgeEnvelope(q question, status object, own bool) Verdict {
	switch {
	case strings.Contains(strings.ToLower(text(status["message"])), "pending"):
		return Pending
	case q == typed && own && successful(status) && (status["message"] == nil || saysSuccess(status)):
		return Accepted
	default:
		return Denied
	}
}

// successful leaves the message to the caller.
func successful(status object) bool {
	return spelledExactly(status, "type", "code", "error", "message") &&
		strings.ToLower(text(status["type"])) == "success" && // EqualFold would take ſ for s
		status["code"] == json.Number("200") &&
		status["error"] == false
}

// saysSuccess reports whether the message is the one of a success. Others with
// all else alike say that something is still to be done.
func saysSuccess(status object) bool {
	return strings.ToLower(text(status["message"])) == "success"
}

func judgeUnauthorized(q question, a answer) Verdict {
	switch said := a.says(); {
	case said == saysPending:
		return Pending
	case said == saysGone:
		return Gone
	case said == saysForbidden, said == saysNoRoute:
		return Undecided
	case q == typed:
		return WrongCode
	default:
		return Denied
	}
}

func judgeBadRequest(q question, a answer) Verdict {
	switch {
	case a.says() == saysGone:
		return Gone
	case q == typed && strings.Contains(strings.ToLower(a.message()), "otp"):
		return WrongCode
	default:
		return Denied
	}
}

// judgeV1 reads an answer of the first API, where a success is bare.
func judgeV1(q question, a answer) Verdict {
	verdict := judgeLogin(q, a)
	if verdict != Accepted {
		return verdict
	}
	if record, _ := parseRecord(a.body); !bare(record) {
		return Denied
	}
	return Accepted
}

// judgeLogin reads an answer of the session login, which like the first API
// knows one success only: the plain envelope. A poll there is a code that is
// missing, so being told so is no answer of the user.
func judgeLogin(q question, a answer) Verdict {
	if a.status == http.StatusOK {
		return judgePlain(a.body)
	}
	verdict := judgeStatus(q, a)
	if q == polled && verdict == Denied && a.says() == saysNoCode {
		return Pending
	}
	return verdict
}

func judgePlain(body []byte) Verdict {
	record, err := parseRecord(body)
	if err != nil || !spelledExactly(record, "status") {
		return Denied
	}
	status, _ := record["status"].(object)
	switch {
	case strings.Contains(strings.ToLower(text(status["message"])), "pending"):
		return Pending
	case saysSuccess(status) && successful(status):
		return Accepted
	default:
		return Denied
	}
}
