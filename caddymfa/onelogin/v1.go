package onelogin

import (
	"context"
	"net/http"
	"slices"
)

// v1 speaks the first version of OneLogin's MFA API, which some tenants still
// use (docs/onelogin.md, MFA v1). What is a verification in v2 is a state
// token here, and devices that show codes by themselves need none.
type v1 struct{ *Client }

// temporaryDeviceV1 stands for whichever temporary code a user has.
const temporaryDeviceV1 = "0"

// deviceV1 is a device with what only the first API tells about it.
type deviceV1 struct {
	Device
	needsTrigger bool
}

// wireTrigger is the body that sends a message or push.
type wireTrigger struct {
	StateTokenExpiresIn int64 `json:"state_token_expires_in"`
}

// wireProof is the body that tries a code, or polls if it holds none.
type wireProof struct {
	OTPToken   string `json:"otp_token,omitempty"`
	StateToken string `json:"state_token,omitempty"`
}

func devicesPathV1(userID, rest string) string {
	return "/api/1/users/" + userID + "/otp_devices" + rest
}

// devices leaves out voice: this API does not tell the code to key in.
func (b v1) devices(ctx context.Context, userID string) ([]Device, error) {
	rows, err := b.list(ctx, userID)
	if err != nil {
		return nil, err
	}
	devices := make([]Device, 0, len(rows))
	for _, row := range rows {
		if row.Kind() != KindVoice {
			devices = append(devices, row.Device)
		}
	}
	return devices, nil
}

func (b v1) list(ctx context.Context, userID string) ([]deviceV1, error) {
	r := request{op: "list devices", method: http.MethodGet, path: devicesPathV1(userID, "")}.naming(userID)
	a, err := b.lookup(ctx, r)
	if err != nil {
		return nil, err
	}
	return expect(r.op, a, readDevicesV1, http.StatusOK)
}

// readDevicesV1 leaves out devices that were never activated.
func readDevicesV1(body []byte) ([]deviceV1, string) {
	record, err := parseRecord(body)
	if err != nil {
		return nil, classUnreadable
	}
	_, data, ok := readEnvelope(body)
	items, isList := otpDevices(record["data"], data)
	if !ok || !isList {
		return nil, classUnreadable
	}
	devices := make([]deviceV1, 0, len(items))
	for _, item := range items {
		row, _ := item.(object)
		device, ok := readDevice(row, "id")
		if !ok {
			return nil, classUnreadable
		}
		if row["active"] != false {
			devices = append(devices, deviceV1{device, row["needs_trigger"] != false})
		}
	}
	return devices, ""
}

// otpDevices finds the list in the data. Instead of an object with an empty
// list there may be [] or [[]], as elsewhere in this API.
func otpDevices(raw any, data object) ([]any, bool) {
	for range 2 {
		list, isList := raw.([]any)
		if isList && len(list) == 0 {
			return nil, true
		}
		if isList && len(list) == 1 {
			raw = list[0]
		}
	}
	items, ok := data["otp_devices"].([]any)
	return items, ok
}

// activate asks for the devices again, as only the list tells whether a device
// is to be triggered. A push is sent in any case: OneLogin's documents
// disagree about what the list says of it.
func (b v1) activate(ctx context.Context, userID, deviceID string, activation Activation) (Verification, error) {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	r := request{
		op:     "activate",
		method: http.MethodPost,
		path:   devicesPathV1(userID, "/"+deviceID+"/trigger"),
		body:   wireTrigger{StateTokenExpiresIn: seconds(activation.Lifetime, minLifetime, maxLifetime)},
	}.naming(userID, deviceID)
	if r.flaw != "" {
		return Verification{}, &Error{Op: r.op, Message: r.flaw}
	}
	rows, err := b.list(ctx, userID)
	if err != nil {
		return Verification{}, err
	}
	v := Verification{UserID: userID, DeviceID: deviceID}
	i := slices.IndexFunc(rows, func(row deviceV1) bool { return row.ID == deviceID })
	switch {
	case i < 0:
		return Verification{}, &Error{Op: r.op, Message: classNotFound}
	case !rows[i].needsTrigger && rows[i].Kind() != KindProtect:
		return v, nil
	}
	a, err := b.submit(ctx, r)
	if err != nil {
		return Verification{}, err
	}
	return expect(r.op, a, func(body []byte) (Verification, string) { return readTrigger(body, v) }, http.StatusOK)
}

// readTrigger completes v. The id in the answer is the user's.
func readTrigger(body []byte, v Verification) (Verification, string) {
	_, data, ok := readEnvelope(body)
	stateToken := opaque(data["state_token"])
	owner := Verification{ID: v.UserID, UserID: v.UserID, DeviceID: v.DeviceID}
	switch {
	case !ok || stateToken == "":
		return Verification{}, classUnreadable
	case !owner.names(data):
		return Verification{}, classOtherRecord
	}
	v.ID = stateToken
	v.ExpiresAt, _ = instant(data["state_token_expires_at"])
	return v, ""
}

func (b v1) tryCode(ctx context.Context, v Verification, code string) (Verdict, error) {
	return b.prove(ctx, "verify", v, wireProof{OTPToken: code, StateToken: v.ID})
}

// tryUnbound knows temporary codes by the one device id that stands for them
// all.
func (b v1) tryUnbound(ctx context.Context, userID, deviceID, code string) (Verdict, error) {
	if (Device{ID: deviceID}).Kind() == KindTemporary {
		deviceID = temporaryDeviceV1
	}
	v := Verification{UserID: userID, DeviceID: deviceID}
	return b.prove(ctx, "verify unbound", v, wireProof{OTPToken: code})
}

func (b v1) poll(ctx context.Context, v Verification) (Verdict, error) {
	if v.ID == "" {
		return Pending, nil
	}
	return b.prove(ctx, "poll", v, wireProof{StateToken: v.ID})
}

func (b v1) prove(ctx context.Context, op string, v Verification, proof wireProof) (Verdict, error) {
	r := request{
		op:     op,
		method: http.MethodPost,
		path:   devicesPathV1(v.UserID, "/"+v.DeviceID+"/verify"),
		body:   proof,
	}.naming(v.UserID, v.DeviceID)
	if opaque(proof.StateToken) != proof.StateToken {
		r.flaw = classInvalidID
	}
	q := typed
	if proof.OTPToken == "" {
		q = polled
	}
	verdict, _, err := b.ask(ctx, r, func(a answer) Verdict { return judgeV1(q, a) })
	return verdict, err
}
