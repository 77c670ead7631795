package page_test

import (
	"strings"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/internal/page"
)

// kinds lists the kinds of the factors of p in the order of the page.
func kinds(t *testing.T, p page.Page) string {
	t.Helper()
	kind := make(map[string]string)
	for _, f := range p.Factors {
		kind[f.ID] = f.Kind
	}
	var order []string
	for _, field := range find(dom(t, p), with("name", "factor")) {
		order = append(order, kind[attr(field, "value")])
	}
	return strings.Join(order, " ")
}

func TestTemporaryCodeIsTheLastResort(t *testing.T) {
	p := sample(t, "choose-temporary")
	p.Factors[0].Default, p.Factors[0].Name = true, "given by Mallory"
	if got := kinds(t, p); got != "protect sms email totp temporary" {
		t.Errorf("order = %q, want the temporary code last", got)
	}
	root := dom(t, p)
	if said := text(root); !strings.Contains(said, "Use a temporary code") || strings.Contains(said, "Mallory") {
		t.Errorf("choose = %q, want fixed words", said)
	}
	p.Factors = p.Factors[:1]
	if main := text(only(t, dom(t, p), with("class", "main"))); main != "Use a temporary code" {
		t.Errorf("main button = %q, want the only way there is", main)
	}
}

func TestScarceOffersCodesBeforeApprovals(t *testing.T) {
	factor := func(kinds ...string) (factors []page.Factor) {
		for i, kind := range kinds {
			factors = append(factors, page.Factor{ID: "f" + kind, Kind: kind, Default: i == 0})
		}
		return factors
	}
	tests := []struct {
		name, want string
		factors    []page.Factor
		said       bool
	}{
		{"both", "sms totp protect voice temporary", factor("protect", "temporary", "voice", "sms", "totp"), true},
		{"a code is the default", "totp sms protect", factor("totp", "protect", "sms"), true},
		{"approvals only", "protect voice", factor("protect", "voice"), false},
		{"codes only", "sms totp", factor("sms", "totp"), false},
		{"approval or help desk", "protect temporary", factor("protect", "temporary"), false},
	}
	for _, test := range tests {
		p := sample(t, "choose-scarce")
		p.Factors = test.factors
		if got := kinds(t, p); got != test.want {
			t.Errorf("%s: order = %q, want %q", test.name, got, test.want)
		}
		if said := strings.Contains(text(dom(t, p)), "A code is quicker."); said != test.said {
			t.Errorf("%s: the page gives the reason: %v, want %v", test.name, said, test.said)
		}
	}
}

func TestSmartHasOneButtonThatNamesNoFactor(t *testing.T) {
	p := sample(t, "smart")
	main := only(t, dom(t, p), with("class", "main"))
	if text(main) != "Verify" || attr(main.Parent, "action") != "/.mfa/start" {
		t.Errorf("main button = %q to %q, want one to verify", text(main), attr(main.Parent, "action"))
	}
	if got := kinds(t, p); got != "sms temporary" {
		t.Errorf("order = %q, want the temporary code beside it", got)
	}
}
