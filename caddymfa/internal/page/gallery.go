package page

import (
	"time"

	"golang.org/x/text/language"
)

// Sample is one page of the gallery.
type Sample struct {
	Name string // unique, fit for a file name
	Page Page
}

// Gallery returns a sample of every kind of page and of every problem, in
// English, for tests and for looking at.
func Gallery() []Sample {
	samples := append(steps(), outcomes()...)
	return append(samples, problems()...)
}

// base is what all samples share.
func base(kind Kind) Page {
	self := "/.mfa/?challenge=c2FtcGxl"
	p := Page{
		Kind: kind, Lang: language.English, Brand: Brand{Name: "Acme"},
		Site: "app.example.com", User: "alice", LastsFor: 8 * time.Hour,
		Base: "/.mfa/", CSRF: "c3Jm", Challenge: "c2FtcGxl",
		Self: self, ReturnTo: "/reports?year=2026",
	}
	for _, tag := range Languages() {
		p.Alternatives = append(p.Alternatives, Alternative{tag, self + "&lang=" + tag.String()})
	}
	return p
}

func factors() []Factor {
	return []Factor{
		{ID: "f1", Kind: "protect", Name: "Alice’s phone", Default: true},
		{ID: "f2", Kind: "sms", Name: "Work phone +1 555 123 4567"},
		{ID: "f3", Kind: "email", Name: "alice@example.com"},
		{ID: "f4", Kind: "totp", Name: "Authenticator"},
	}
}

// code is the page that asks for a code of one kind of factor.
func code(f Factor) Page {
	p := base(Code)
	p.Factors, p.Current = factors(), f
	p.ExpiresIn, p.ResendIn = 10*time.Minute, 30*time.Second
	return p
}

func push() Page {
	p := base(Push)
	p.Factors = factors()
	p.Current = p.Factors[0]
	p.AcceptsCode = true
	p.Events, p.StillURL = "/.mfa/status?challenge=c2FtcGxl", p.Self+"&still=1"
	p.ExpiresIn, p.ResendIn = 2*time.Minute, 30*time.Second
	p.SentAt = time.Date(2026, 7, 29, 14, 5, 0, 0, time.UTC)
	return p
}

// steps are the pages on the way to being verified.
func steps() []Sample {
	choose := base(Choose)
	choose.Factors = factors()
	single := base(Choose)
	single.Factors = factors()[1:2]
	unsaved := choose
	unsaved.Unsaved = true
	still := push()
	still.Still = true
	samples := []Sample{{"choose", choose}, {"choose-single", single}, {"choose-unsaved", unsaved}, {"push", push()}, {"push-still", still}}
	all := append(factors(),
		Factor{ID: "f5", Kind: "voice", Name: ""},
		Factor{ID: "f6", Kind: "yubikey", Name: "YubiKey"},
		Factor{ID: "f7", Kind: "duo", Name: "Duo"},
		Factor{ID: "f8", Kind: "new", Name: "Something new"},
	)
	for _, f := range all {
		samples = append(samples, Sample{"code-" + f.Kind, code(f)})
	}
	return samples
}

// outcomes are the pages on which nothing can be verified, or all is done.
func outcomes() []Sample {
	var samples []Sample
	for kind := Denied; kind <= Insecure; kind++ {
		look, _ := lookOf(kind)
		p := base(kind)
		switch kind {
		case Expired:
			p.Factors = factors()
		case Locked:
			p.RetryAfter = 14*time.Minute + 40*time.Second
		case Verified:
			p.Current = factors()[0]
			p.VerifiedAt = time.Date(2026, 7, 29, 14, 5, 0, 0, time.UTC)
			p.VerifiedUntil = p.VerifiedAt.Add(p.LastsFor)
		case NoDevice:
			p.NotOffered = []string{"YubiKey", "Security questions"}
		case Unavailable, Refused, BadRequest, NotFound, MethodNotAllowed, NoUser:
			p.Reference = "7f3a9c2e"
		}
		samples = append(samples, Sample{look.Slug, p})
	}
	return samples
}

// problems are the pages that say what was wrong with the last step.
func problems() []Sample {
	var samples []Sample
	for problem := EmptyCode; problem <= StaleForm; problem++ {
		p := code(factors()[3])
		if !problem.inCode() && problem != TooManyTries {
			p = base(Choose)
			p.Factors = factors()
		}
		p.Error, p.RetryAfter = problem, 15*time.Minute
		if problem == WrongCode {
			p.TriesLeft = 2
		}
		samples = append(samples, Sample{problem.key(), p})
	}
	typed := push()
	typed.Error = WrongCode
	return append(samples, Sample{"error.push", typed})
}
