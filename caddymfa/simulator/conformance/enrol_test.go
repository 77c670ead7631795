package conformance_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/onelogin/onelogin-go-sdk/v4/pkg/onelogin"
	"github.com/onelogin/onelogin-go-sdk/v4/pkg/onelogin/models"

	"github.com/caddymfa/caddymfa/caddymfa/simulator"
)

const (
	bob   = 102
	carol = 103

	// As the simulator numbers them; each tenant has its own.
	protectFactor = 58957
	smsFactor     = 58958
	voiceFactor   = 58959
	totpFactor    = 58961
)

// enrol begins an enrolment of carol's and returns the answer's fields.
func enrol(t *testing.T, sdk *onelogin.OneloginSDK, factorID int) map[string]any {
	t.Helper()
	begun, err := sdk.EnrollMFAFactor(models.EnrollFactorRequest{FactorID: factorID, DisplayName: "New", ExpiresIn: "120"}, carol)
	fields := object(t, begun, err)
	want(t, fields, "status", "pending")
	return fields
}

func TestAvailableFactors(t *testing.T) {
	sdk, _ := newSDK(t, simulator.Options{})
	factors, err := sdk.GetAvailableMFAFactors(carol)
	first := object(t, list(t, factors, err, 7)[0], nil)
	want(t, first, "factor_id", float64(protectFactor))
	want(t, first, "name", "OneLogin Protect")
	if _, err := sdk.GetAvailableMFAFactors(999); err == nil {
		t.Error("factors of nobody = nil error")
	}
}

// The SDK sends codes as numbers, which loses a leading zero. So a code without
// one is waited for.
func TestEnrolByCode(t *testing.T) {
	for _, test := range []struct {
		name     string
		factorID int
		factor   simulator.Factor
	}{
		{"sms", smsFactor, simulator.SMS},
		{"authenticator", totpFactor, simulator.TOTP},
	} {
		t.Run(test.name, func(t *testing.T) {
			sdk, sim := newSDK(t, simulator.Options{})
			registrationID, number := "", 0
			for number < 100_000 {
				registrationID, _ = enrol(t, sdk, test.factorID)["id"].(string)
				number, _ = strconv.Atoi(sim.Code("carol", test.factor))
				if test.factor == simulator.TOTP && number < 100_000 {
					sim.Advance(codeStep)
				}
			}
			wrong, err := sdk.VerifyMFAEnrollment(carol, registrationID, models.VerifyEnrollmentFactorRequest{OTP: 1})
			want(t, object(t, wrong, err), "status", "pending")
			right, err := sdk.VerifyMFAEnrollment(carol, registrationID, models.VerifyEnrollmentFactorRequest{OTP: number})
			want(t, object(t, right, err), "status", "accepted")
			devices, err := sdk.GetEnrolledFactor(carol)
			want(t, object(t, list(t, devices, err, 1)[0], nil), "user_display_name", "New")
		})
	}
}

func TestEnrolOnThePhone(t *testing.T) {
	for _, test := range []struct {
		name     string
		factorID int
		answer   func(*simulator.Simulator) bool
	}{
		{"protect", protectFactor, func(s *simulator.Simulator) bool { return s.ApproveRegistration("carol") }},
		{"voice", voiceFactor, func(s *simulator.Simulator) bool { return s.KeyIn("carol", s.VoiceCode("carol")) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			sdk, sim := newSDK(t, simulator.Options{})
			begun := enrol(t, sdk, test.factorID)
			if secret, _ := object(t, begun["factor_data"], nil)["verification_token"].(string); secret == "" {
				t.Errorf("no verification_token in %v", begun)
			}
			registrationID, _ := begun["id"].(string)
			before, err := sdk.VerifyMFAEnrollmentGet(carol, registrationID)
			want(t, object(t, before, err), "status", "pending")
			if !test.answer(sim) {
				t.Fatal("nothing to answer")
			}
			after, err := sdk.VerifyMFAEnrollmentGet(carol, registrationID)
			want(t, object(t, after, err), "status", "accepted")
		})
	}
}

func TestRemoveFactor(t *testing.T) {
	sdk, _ := newSDK(t, simulator.Options{})
	removed, err := sdk.RemoveMFAFactor(alice, sms)
	want(t, object(t, removed, err), "status", "success")
	devices, err := sdk.GetEnrolledFactor(alice)
	list(t, devices, err, 3)
	if _, err := sdk.RemoveMFAFactor(alice, sms); err == nil {
		t.Error("removing it again = nil error")
	}
}

func TestMFAToken(t *testing.T) {
	sdk, sim := newSDK(t, simulator.Options{})
	made, err := sdk.GenerateMFAToken(alice, models.GenerateMFATokenRequest{ExpiresIn: 300, Reusable: true})
	fields := object(t, made, err)
	want(t, fields, "reusable", true)
	want(t, fields, "mfa_token", sim.TemporaryCodes("alice")[0].Code)
	if device, _ := fields["device_id"].(string); !strings.HasPrefix(device, "user_temp_otp_") {
		t.Errorf("device_id = %v", fields["device_id"])
	}
	if _, err := sdk.GenerateMFAToken(alice, models.GenerateMFATokenRequest{ExpiresIn: 1}); err == nil {
		t.Error("a second of life = nil error")
	}
}
