package simulator

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"
)

// personView is one row of the list of people.
type personView struct {
	Username, Name, Initial, Summary string
	Tone                             int // which of the four colours
	Waiting                          int // pending pushes
}

// screenView is a phone's screen.
type screenView struct {
	Username, Name string
	Clock          string
	Revision       string // changes when anything but running numbers changes
	HasDevices     bool
	Pushes         []pushView
	LastAnswer     string // "accepted", "rejected" or ""
	News           string // one sentence for those who cannot see the screen
	Codes          []codeView
	Boxes          []boxView
}

// pushView is something to answer.
type pushView struct {
	VerificationID, Username, ClientID, DeviceName, At string
	Factor                                             Factor
	IsCall, Enrols                                     bool
	IP                                                 string
	Seconds, Lifetime                                  int
	Left                                               string // minutes and seconds
}

// codeView is a code that a device shows.
type codeView struct {
	ID                string // of the element
	DeviceName, Label string
	Factor            Factor
	Code              string
	Long              bool
	Seconds           int
}

// boxView is an inbox.
type boxView struct {
	ID, Title string
	Messages  []messageView
}

// messageView is one message. Open says that its link still works.
type messageView struct {
	Username, VerificationID, Text, Code, At string
	Factor                                   Factor
	Open                                     bool
	LeadsTo                                  string
}

// The views hold text that is ready to be shown, so that the template decides
// nothing and the revision sums up exactly what is seen.

// shownMessages is how many messages an inbox shows.
const shownMessages = 5

func (s *Simulator) peopleView() []personView {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []personView{}
	for i, p := range s.people {
		v := personView{
			Username: p.Username, Name: p.displayName(), Tone: i % 4,
			Summary: p.summary(), Waiting: len(s.pendingOn(p.Username)),
		}
		v.Initial = initial(v.Name)
		list = append(list, v)
	}
	return list
}

// initial returns the first letter of a name.
func initial(name string) string { return string([]rune(name)[:min(1, len([]rune(name)))]) }

// summary names the person's factors.
func (p *person) summary() string {
	var names []string
	for _, d := range p.Devices {
		if label := d.Factor.label(); !slices.Contains(names, label) {
			names = append(names, label)
		}
	}
	if len(names) == 0 {
		return "No factor enrolled"
	}
	return strings.Join(names, ", ")
}

// label is what the phone calls a factor.
func (f Factor) label() string {
	switch f {
	case Protect:
		return "Protect"
	case SMS:
		return "SMS"
	case Email:
		return "Mail"
	case MagicLink:
		return "Magic link"
	case Voice:
		return "Voice"
	case TOTP:
		return "Authenticator"
	case YubiKey:
		return "YubiKey"
	case Duo:
		return "Duo"
	}
	return string(f)
}

// screenView returns what is on the person's phone now, all of one moment. ok is
// false if there is no such person.
func (s *Simulator) screenView(username string) (screenView, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.person(username)
	if p == nil {
		return screenView{}, false
	}
	now := s.now()
	v := screenView{
		Username: p.Username, Name: p.displayName(), Clock: now.UTC().Format("15:04"),
		HasDevices: len(p.Devices) > 0 || len(s.pendingOn(p.Username)) > 0, Codes: s.codes(p), Boxes: s.boxes(p),
	}
	for _, waiting := range s.pendingOn(p.Username) {
		if waiting.device.Factor != MagicLink { // those are in the inbox
			v.Pushes = append(v.Pushes, waiting.view(now))
		}
	}
	slices.Reverse(v.Pushes)
	v.LastAnswer, v.News = s.lastAnswer(p)
	if len(v.Pushes) > 0 {
		v.News = "A request is waiting."
	}
	v.Revision = v.revision()
	return v, true
}

// revision sums up what is not a running number.
func (v screenView) revision() string {
	v.Clock = ""
	v.Pushes, v.Codes = slices.Clone(v.Pushes), slices.Clone(v.Codes)
	for i := range v.Pushes {
		v.Pushes[i].Seconds, v.Pushes[i].Left = 0, ""
	}
	for i := range v.Codes {
		v.Codes[i].Seconds = 0
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", fmt.Sprintf("%+v", v)))
	return fmt.Sprintf("%x", sum[:8])
}

// ringing reports whether somebody may be typing into the page.
func (v screenView) ringing() bool {
	return slices.ContainsFunc(v.Pushes, func(p pushView) bool { return p.IsCall })
}

func (v *verification) view(now time.Time) pushView {
	left := int(v.expiresAt.Sub(now) / time.Second)
	return pushView{
		VerificationID: v.id, Username: v.username, ClientID: v.clientID, DeviceName: v.device.Name,
		Factor: v.device.Factor, IsCall: v.device.Factor == Voice, Enrols: v.origin.enrols(), IP: v.ip, At: v.createdAt.UTC().Format("15:04:05"),
		Seconds: left, Left: fmt.Sprintf("%d:%02d", left/60, left%60),
		Lifetime: int(v.expiresAt.Sub(v.createdAt) / time.Second),
	}
}

// lastAnswer says how the person's newest decided request ended, as OneLogin's
// word and as a sentence.
func (s *Simulator) lastAnswer(p *person) (word, sentence string) {
	for i := len(s.verifications) - 1; i >= 0; i-- {
		v := s.verifications[i]
		decided := v.status == accepted || v.status == rejected
		if v.userID == p.ID && v.device.Factor.answeredOnPhone() && decided {
			return string(v.status), fmt.Sprintf("Last request %s at %s.", v.status, v.decidedAt.UTC().Format("15:04:05"))
		}
	}
	return "", "No request is waiting."
}
