package page

import "time"

const (
	maxShown = 50 // sessions that are listed
	maxFull  = 20 // sessions of which all is told; of more, what matters most
)

// SessionItem is one verified session on a [Sessions] page.
type SessionItem struct {
	// Handle is sent back in the field session when this one is chosen: 64
	// hex digits. That it looks so is not checked.
	Handle string
	// Site is the host that the session is good for.
	Site string
	// Browser tells people which one it is, such as "Firefox on Linux".
	// Default: a word for an unknown browser.
	Browser string
	// Factor is what was proved. Zero = not said.
	Factor Factor

	Proved time.Time // when it was proved; zero = not said
	Seen   time.Time // when it was last used; zero = not said
	Ends   time.Time // when it ends by itself; zero = not said

	// Current marks the session of the browser that shows the page.
	Current bool
}

// Rows are the sessions that are listed, each as a page about itself.
func (v *view) Rows() []*view {
	var rows []*view
	for _, s := range v.Sessions[:min(len(v.Sessions), maxShown)] {
		rows = append(rows, v.row(s))
	}
	return rows
}

// Gone is the session that was signed out of, or nil.
func (v *view) Gone() *view {
	if v.Ended == (SessionItem{}) {
		return nil
	}
	return v.row(v.Ended)
}

func (v *view) row(s SessionItem) *view {
	row := *v
	row.Row, row.Site = s, tidy(s.Site)
	return &row
}

// Rest says how many sessions are not listed, or "".
func (v *view) Rest() string { return v.count("sessions.rest", int64(len(v.Sessions)-maxShown)) }

// brief says whether the list is so long that the page stays light only without
// the factors and without the times as machines read them.
func (v *view) brief() bool { return len(v.Sessions) > maxFull }

// Intro says what there is to do with the list.
func (v *view) Intro() (phrase, error) {
	switch {
	case len(v.Sessions) == 0:
		return v.Say("sessions.none")
	case len(v.Sessions) == 1 && v.Sessions[0].Current:
		return v.Say("sessions.only")
	}
	return v.Say("sessions.text")
}

// Everywhere says whether signing out everywhere is more than signing out once.
func (v *view) Everywhere() bool { return len(v.Sessions) > 1 }

// Browser is the row's, in a word of our own if nobody knows it.
func (v *view) Browser() phrase { return phrase{v.rowValue("{browser}")} }

// rowValue is what a placeholder stands for in a text about a session.
func (v *view) rowValue(name string) part {
	switch name {
	case "{browser}":
		if browser := tidy(v.Row.Browser); browser != "" {
			return part{Text: browser, Name: true}
		}
		return part{Text: v.texts["sessions.browser"]}
	case "{factor}":
		if v.Row.Factor == (Factor{}) || v.brief() {
			return part{}
		}
		return v.nameOf(v.Row.Factor)
	case "{proved}":
		return v.moment("ago", v.Row.Proved, v.Now.Sub(v.Row.Proved))
	case "{seen}":
		return v.moment("ago", v.Row.Seen, v.Now.Sub(v.Row.Seen))
	case "{ends}":
		return v.moment("in", v.Row.Ends, v.Row.Ends.Sub(v.Now))
	}
	return part{Text: name}
}

// moment tells t, which is away from now, as people do: "5 minutes ago". A
// clock that differs does not take it to the other side of now.
func (v *view) moment(key string, t time.Time, away time.Duration) part {
	if t.IsZero() || v.Now.IsZero() {
		return part{}
	}
	told := part{Text: v.texts[key+".now"]}
	away = away.Round(time.Minute)
	if away >= 90*time.Minute {
		away = away.Round(time.Hour)
	}
	if away > 0 {
		unit, name := unitOf(away)
		told.Text = v.count(key+"."+name, int64(away.Round(unit)/unit))
	}
	if !v.brief() {
		told.Stamp = t.UTC().Format(stamped)
	}
	return told
}
