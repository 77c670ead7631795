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

// judge reads an answer to PUT (try a code) or GET (poll) of a verification,
// by the table in docs/onelogin.md, Verdicts. Whatever is not listed there is
// Denied. Undecided means that the answer is an error.
//
// A 401 arrives here only after the access token was found to be alive, so it
// speaks of the code or of the verification.
func judge(method string, a answer, v Verification) Verdict {
	switch {
	case a.status == http.StatusOK:
		return judgeBody(method, a.body, v)
	case a.status == http.StatusUnauthorized:
		return judgeUnauthorized(method, a)
	case a.status == http.StatusNotFound:
		return Gone
	case a.status == http.StatusBadRequest, a.status == http.StatusUnprocessableEntity:
		return judgeBadRequest(method, a)
	case a.status == http.StatusForbidden, a.status == http.StatusRequestTimeout, busy(a.status):
		return Undecided
	default:
		return Denied
	}
}

func judgeBody(method string, body []byte, v Verification) Verdict {
	record, err := parseRecord(body)
	if err != nil || !spelledExactly(record, "status", "id", "user_id", "device_id") {
		return Denied
	}
	switch status := record["status"].(type) {
	case string:
		return judgeWord(method, status, v.names(record))
	case object:
		return judgeEnvelope(method, status, v.names(record))
	default:
		return Denied
	}
}

// judgeWord reads {"status":"accepted"}, the body of OneLogin's servers.
func judgeWord(method, status string, own bool) Verdict {
	switch {
	case status == "accepted" && own:
		return Accepted
	case status == "pending" && method == http.MethodPut:
		return WrongCode
	case status == "pending" && method == http.MethodGet:
		return Pending
	default:
		return Denied
	}
}

// judgeEnvelope reads {"status":{"type":"success",…}}, the body of OneLogin's
// documents, which show it for codes only.
func judgeEnvelope(method string, status object, own bool) Verdict {
	switch {
	case strings.Contains(strings.ToLower(text(status["message"])), "pending"):
		return Pending
	case method == http.MethodPut && own && successful(status):
		return Accepted
	default:
		return Denied
	}
}

// successful does not ask for a message, but one that is not text may say
// anything.
func successful(status object) bool {
	_, isText := status["message"].(string)
	return (isText || status["message"] == nil) &&
		spelledExactly(status, "type", "code", "error", "message") &&
		strings.ToLower(text(status["type"])) == "success" && // EqualFold would take ſ for s
		status["code"] == json.Number("200") &&
		status["error"] == false
}

func judgeUnauthorized(method string, a answer) Verdict {
	switch said := a.says(); {
	case said == saysPending:
		return Pending
	case said == saysGone:
		return Gone
	case said == saysForbidden, said == saysNoRoute:
		return Undecided
	case method == http.MethodPut:
		return WrongCode
	default:
		return Denied
	}
}

func judgeBadRequest(method string, a answer) Verdict {
	switch {
	case a.says() == saysGone:
		return Gone
	case method == http.MethodPut && strings.Contains(strings.ToLower(a.message()), "otp"):
		return WrongCode
	default:
		return Denied
	}
}
