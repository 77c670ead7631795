package simulator

import (
	"slices"
	"strconv"
	"time"
)

// codes returns what the person's devices show, and then those that are being
// enrolled: the person has scanned the site's picture at once.
func (s *Simulator) codes(p *person) []codeView {
	var list []codeView
	for _, d := range p.Devices {
		if d.Factor.generatesCodes() {
			list = append(list, newCodeView(d, strconv.FormatInt(d.ID, 10), p.secrets[d.ID], s.now()))
		}
	}
	for _, v := range s.verifications {
		begun := v.userID == p.ID && v.origin.enrols() && v.apply(looked, s.now(), 0) == pending
		if begun && v.device.Factor.generatesCodes() {
			shown := newCodeView(v.device, v.id, v.secret, s.now())
			shown.Label = "being added"
			list = append(list, shown)
		}
	}
	return list
}

func newCodeView(d Device, id string, secret []byte, now time.Time) codeView {
	step := int64(codeStep / time.Second)
	code := deviceCode(d.Factor, secret, now)
	shown := codeView{
		ID: id, DeviceName: d.Name, Factor: d.Factor,
		Code: code, Long: len(code) > 8, Seconds: int(step - now.Unix()%step),
	}
	if d.Factor != TOTP { // the section is named after those
		shown.Label = d.Factor.label()
	}
	return shown
}

// boxes returns the inboxes that the person's devices or messages call for.
func (s *Simulator) boxes(p *person) []boxView {
	all := []struct {
		box     boxView
		factors []Factor
	}{
		{boxView{ID: "texts", Title: "Text messages"}, []Factor{SMS}},
		{boxView{ID: "mails", Title: "Mail"}, []Factor{Email, MagicLink}},
	}
	var list []boxView
	for _, candidate := range all {
		used := slices.ContainsFunc(p.Devices, func(d Device) bool { return slices.Contains(candidate.factors, d.Factor) })
		candidate.box.Messages = s.inbox(p, candidate.factors)
		if used || len(candidate.box.Messages) > 0 {
			list = append(list, candidate.box)
		}
	}
	return list
}

// inbox returns the newest messages, newest first.
func (s *Simulator) inbox(p *person, factors []Factor) []messageView {
	var list []messageView
	for i := len(s.sent) - 1; i >= 0 && len(list) < shownMessages; i-- {
		m := s.sent[i]
		if m.Username != p.Username || !slices.Contains(factors, m.Factor) {
			continue
		}
		view := messageView{
			Username: p.Username, VerificationID: m.VerificationID, Text: m.text, Code: m.code,
			At: m.At.UTC().Format("15:04:05"), Factor: m.Factor,
		}
		if m.Factor == MagicLink {
			v := s.newest(p.Username, func(v *verification) bool { return v.id == m.VerificationID })
			view.Text, view.Open = "Open this link to sign in.", v != nil
			if v != nil {
				view.LeadsTo = v.redirectTo
			}
		}
		list = append(list, view)
	}
	return list
}
