package caddymfa

import (
	"crypto/rand"
	"net/http"

	"go.uber.org/zap"

	"github.com/caddymfa/caddymfa/caddymfa/internal/page"
)

// refusalKind says why a request was answered without the app and without a
// challenge.
type refusalKind int

const (
	kindNoUser      refusalKind = iota // no first login named a user
	kindInsecure                       // plain http, where no session can be issued
	kindNotFound                       // no such endpoint
	kindBadMethod                      // not for this method
	kindCrossSite                      // a form from another site
	kindStaleForm                      // a form that we did not seal for this user, or long ago
	kindBadForm                        // a body that cannot be read in one way
	kindGone                           // a challenge's address that leads nowhere any more
	kindTooEarly                       // sent before the TLS handshake was complete
	kindBadSecret                      // a webhook without the secret
	kindUnavailable                    // OneLogin, the store or the key storage could not tell
)

// refusal is an answer that names a fixed reason.
type refusal struct {
	status    int
	kind      refusalKind
	reference string // finds the cause in the log
	returnTo  string // where a person may try again; "" = the root
}

// words is how one kind of refusal reads: for people, a page; for programs, a
// code that never changes and a sentence.
type words struct {
	page   page.Kind
	code   string
	detail string
}

func (k refusalKind) words() words {
	switch k {
	case kindNoUser:
		return words{page.NoUser, "no_user", "No login in front of this site has named the user."}
	case kindInsecure:
		return words{page.Insecure, "insecure", "This site can be verified for over https only."}
	case kindNotFound:
		return words{page.NotFound, "not_found", "There is no such endpoint."}
	case kindBadMethod:
		return words{page.MethodNotAllowed, "method_not_allowed", "This address does not answer this method."}
	case kindCrossSite:
		return words{page.Refused, "cross_site", "The request was sent from another site."}
	case kindStaleForm:
		return words{page.Stale, "csrf", "The csrf value is missing, expired or not for this user and site."}
	case kindBadForm:
		return words{page.BadRequest, "bad_form", "The body is not a form or a flat JSON object of strings with each field once."}
	case kindTooEarly:
		return words{page.Refused, "too_early", "The request came before the handshake was complete and may be a copy: send it again."}
	case kindBadSecret:
		return words{page.Refused, "bad_secret", "The Authorization header is not the webhook's secret."}
	case kindGone:
		return words{page.Expired, "challenge_gone", "This challenge cannot be used any more: ask for the resource again."}
	default:
		return words{page.Unavailable, "unavailable", "Verification is not available at the moment. Nobody is let through meanwhile."}
	}
}

// refuse answers with a fixed sentence. The app sees nothing.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, answer refusal) error {
	if answer.reference == "" {
		answer.reference = newReference()
	}
	spoken := answer.kind.words()
	if c := h.log.Check(zap.InfoLevel, "request refused"); c != nil && answer.kind != kindUnavailable {
		c.Write(zap.String("reason", spoken.code), zap.Int("status", answer.status), zap.String("reference", answer.reference),
			zap.String("method", r.Method), zap.String("site", site(r)), zap.String("path", r.URL.Path))
	}
	setPrivate(w.Header())
	if wantsJSON(r) || !navigates(r) {
		return writeProblem(w, problem{
			Title: http.StatusText(answer.status), Status: answer.status,
			Detail: spoken.detail, Code: spoken.code, Reference: answer.reference,
		})
	}
	return h.render(w, r, answer.status, page.Page{
		Kind: spoken.page, Reference: answer.reference, ReturnTo: answer.returnTo,
	})
}

// unavailable is the answer when we could not tell. The gate stays shut, the
// person gets a reference, the log has the cause under it.
func (h *Handler) unavailable(w http.ResponseWriter, r *http.Request, doing string, cause error) error {
	reference := newReference()
	h.log.Error("verification unavailable", zap.String("doing", doing), zap.Error(cause),
		zap.String("reference", reference), zap.String("site", site(r)))
	w.Header().Set("Retry-After", "10")
	return h.refuse(w, r, refusal{status: http.StatusServiceUnavailable, kind: kindUnavailable, reference: reference})
}

// newReference names one event, short enough to be read out on the phone.
func newReference() string { return rand.Text()[:10] }
