package e2e_test

import (
	"net/http"
	"testing"
)

func TestAdministrationAsksAgainSoonerThanTheRest(t *testing.T) {
	t.Parallel()
	for name, scripts := range map[string]bool{"scripts on": true, "scripts off": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startDemo(t, "-admin-max-age", "8s")
			b := openTab(t, d, "alice").scripts(scripts)
			b.arrive("/admin/")
			held := b.program()
			await(t, "the proof to grow old", func() bool { return held.get("/admin/").status == http.StatusUnauthorized })
			if got := held.get("/orders"); got.status != http.StatusOK {
				t.Errorf("the rest of the site = %d, want 200: its max_age is longer", got.status)
			}
			d.forgetArrivals()
			b.open("/admin/")
			b.see(choosePage)
			d.nothingArrived()
			b.start("sms")
			b.see(codeField)
			b.enter(d.code("alice", "sms"))
			b.arriveBy("sms", "/admin/")
			// The cookie of the older proof ended with it.
			if got := held.get("/orders"); got.status != http.StatusUnauthorized {
				t.Errorf("the former cookie = %d, want 401", got.status)
			}
		})
	}
}
