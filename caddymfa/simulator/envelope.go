package simulator

import (
	"encoding/json"
	"net/http"
)

// reply is an answer before it is written.
type reply struct {
	status   int
	body     any    // written as compact JSON if contentType is empty
	raw      string // written as it is otherwise
	header   http.Header
	fromEdge bool // the proxy answers, not OneLogin

	contentType string // of raw
}

// statusObject is the value of "status" in form A, the errors of /auth and of
// version 1, in the key order seen on the wire.
type statusObject struct {
	Error   bool   `json:"error"`
	Code    int    `json:"code"`
	Type    string `json:"type"`
	Message any    `json:"message"` // text, or an attributeMessage
}

// attributeMessage is what version 1 says about one attribute of a request.
type attributeMessage struct {
	Attribute   string `json:"attribute"`
	Description string `json:"description"`
}

// A client cannot know a body's form from its status alone, which is why both
// exist here as types of their own.

// formA is the wrapping of /auth and of version 1.
type formA struct {
	Status statusObject `json:"status"`
	Data   any          `json:"data,omitempty"`
}

// formB is an error of version 2.
type formB struct {
	StatusCode int          `json:"statusCode"`
	Name       string       `json:"name"`
	Message    string       `json:"message"`
	Field      string       `json:"field,omitempty"`
	Details    *formBDetail `json:"details,omitempty"`
}

// formBShort is an error of Smart MFA, which leaves the status out.
type formBShort struct {
	Name    string `json:"name"`
	Message string `json:"message"`
}

type formBDetail struct {
	Parameters []string `json:"parameters"`
}

// Messages of the API. Clients decide by some of them, so they match to the byte.
const (
	messageNoRoute        = "No Route Exists"
	messageAuthentication = "Authentication Failure"
	messageNoCredential   = "The authorization information is missing"
	messageContentType    = "Content Type is not specified or specified incorrectly. Content-Type header must be set to application/json"
	messageGrant          = "grant_type is incorrect/absent"
	messageRateLimitAuth  = "Authorization Information is incorrect"
	messageNoAccessToken  = "Access Token Missing"
	messageWrongCode      = "Failed authentication with this factor"
	messageStateToken     = "State token is invalid or expired"
	messageNoCode         = "OTP token blank"
	messagePushPending    = "Authentication pending on OL Protect"
	messageSent           = "SMS token sent to your mobile device. Authentication pending."
	messageNoFactor       = "Factor could not be found"
	messagePermission     = "Insufficient Permission"
	messageBadJSON        = "Input JSON is not valid"
)

// pageEdge429 is the page of the proxy in front of OneLogin, 117 bytes.
const pageEdge429 = "<html><body><h1>429 Too Many Requests</h1>\n" +
	"You have sent too many requests in a given amount of time.\n</body></html>\n"

// page502 is the page of the same proxy when nothing stands behind it.
const page502 = "<html><body><h1>502 Bad Gateway</h1>\n" +
	"The server returned an invalid or incomplete response.\n</body></html>\n"

// okA answers 200 in form A.
func okA(data any) reply { return saidA("success", "Success", data) }

// saidA answers 200 in form A with other words than "Success", which is how
// version 1 says that something is still to be done.
func saidA(kind, message string, data any) reply {
	return reply{status: http.StatusOK, body: formA{
		Status: statusObject{Code: http.StatusOK, Type: kind, Message: message}, Data: data,
	}}
}

// errorA answers an error in form A.
func errorA(status int, message any) reply {
	kind := "bad request"
	switch status {
	case http.StatusUnauthorized:
		kind = "Unauthorized"
	case http.StatusForbidden:
		kind = "forbidden"
	case http.StatusNotFound:
		kind = "not found"
	case http.StatusTooManyRequests:
		kind = "too many requests"
	}
	return reply{status: status, body: formA{
		Status: statusObject{Error: true, Code: status, Type: kind, Message: message},
	}}
}

// errorB answers an error in form B.
func errorB(status int, name, message string) reply {
	return reply{status: status, body: formB{StatusCode: status, Name: name, Message: message}}
}

// shortB answers an error of Smart MFA.
func shortB(status int, name, message string) reply {
	return reply{status: status, body: formBShort{name, message}}
}

func invalidCredentials() reply {
	return errorB(http.StatusUnauthorized, "InvalidCredentials", "Please provide valid credentials")
}

func forbidden() reply {
	return errorB(http.StatusForbidden, "ForbiddenAction",
		"You are not authorised to perform this action or access the resource")
}

func notFound() reply {
	return errorB(http.StatusNotFound, "NotFoundError",
		"The resource can't be found or the server has not found anything matching the Request-URI")
}

func badRequest(message string) reply {
	return errorB(http.StatusBadRequest, "BadRequestError", message)
}

// invalidField answers 422 about one field of the request.
func invalidField(field string) reply {
	return reply{status: http.StatusUnprocessableEntity, body: formB{
		StatusCode: http.StatusUnprocessableEntity, Name: "ValidationError",
		Message: "Validations failed", Field: field, Details: &formBDetail{Parameters: []string{field}},
	}}
}

// encode returns the bytes of the answer and their media type. Answers of
// version 2 name no character set.
func (p reply) encode(area area) (body []byte, contentType string) {
	if p.contentType != "" {
		return []byte(p.raw), p.contentType
	}
	if p.status == http.StatusNoContent {
		return nil, ""
	}
	body, err := json.Marshal(p.body)
	if err != nil {
		panic("simulator: " + err.Error()) // every body is one of our own types
	}
	if area == areaV2 {
		return body, "application/json"
	}
	return body, "application/json; charset=utf-8"
}
