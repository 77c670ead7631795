package simulator

import (
	"bytes"
	"cmp"
	"errors"
	"net/http"
	"slices"
	"time"
)

// webhookBatch is how many events OneLogin puts into one request.
const webhookBatch = 10

// webhookPatience is how long the receiver may take to answer.
const webhookPatience = 10 * time.Second

// Webhook is where events are posted, as an administrator sets it up in
// OneLogin's portal. The zero value posts none.
//
// OneLogin sends every event, ten in a request or all of ten seconds. So does
// the simulator, except that by default nothing waits.
type Webhook struct {
	// URL is the receiver's address, http or https.
	URL string

	// Authorization is the value of the header of that name. Empty: none. It
	// is never shown again.
	Authorization string

	// Lines posts pairs of lines (SIEM, NDJSON) instead of a JSON array.
	Lines bool

	// Batch is how many events one request has at most. 0: ten.
	Batch int

	// Wait is how long the first event of a request waits for others, in real
	// time: Advance does not shorten it. 0: not at all.
	Wait time.Duration

	// Transport sends the requests. Nil: http.DefaultTransport.
	Transport http.RoundTripper
}

// Delivery is one request that was sent to the webhook's receiver.
type Delivery struct {
	At     time.Time `json:"at"`
	Events int       `json:"events"`
	Body   string    `json:"body"`
	Status int       `json:"status"` // of the answer; 0: there was none

	// Problem says why there was no answer.
	Problem string `json:"problem,omitempty"`
}

// SetWebhook posts what happens from now on to w, and to nobody else. Events
// that still wait are dropped. It returns an error for an address that cannot
// be posted to and for negative numbers, and then changes nothing.
//
// Requests are sent one after the other by a goroutine that ends when nothing
// waits. Each is sent once, whatever the answer: nobody knows whether OneLogin
// repeats any. Redirects are not followed.
func (s *Simulator) SetWebhook(w Webhook) error {
	if w.URL != "" && !followable(w.URL) {
		return errors.New("webhook: the address is not a full http or https URL")
	}
	if w.Batch < 0 || w.Wait < 0 {
		return errors.New("webhook: batch and wait must not be negative")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.webhook, s.outbox = w, nil
	return nil
}

// Deliveries returns the last thousand requests to the webhook's receiver that
// are over, oldest first.
func (s *Simulator) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Delivery{}, s.deliveries...)
}

// broadcast puts e into the outbox, if there is a webhook, and sees to it that
// somebody empties that. The caller holds mu.
func (s *Simulator) broadcast(e Event) {
	if s.webhook.URL == "" {
		return
	}
	s.outbox = appendBounded(s.outbox, e)
	if !s.delivering {
		s.delivering = true
		go s.deliver(s.webhook.Wait)
	}
}

// deliver empties the outbox.
func (s *Simulator) deliver(wait time.Duration) {
	time.Sleep(wait)
	for {
		shipment, ok := s.nextShipment()
		if !ok {
			return
		}
		time.Sleep(shipment.switches.Slow)
		s.post(shipment)
		if shipment.switches.WebhookDuplicates {
			s.post(shipment)
		}
	}
}

// shipment is what one request carries.
type shipment struct {
	webhook  Webhook
	events   []Event
	switches Switches
}

// nextShipment takes events from the outbox. False: there are none, and the
// caller must end.
func (s *Simulator) nextShipment() (shipment, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(s.outbox), cmp.Or(s.webhook.Batch, webhookBatch))
	if n == 0 {
		s.delivering = false
		return shipment{}, false
	}
	next := shipment{webhook: s.webhook}
	var met bool
	if next.switches, met = s.switches.forCall(OpWebhook, s.switchedCalls); met {
		s.switchedCalls++
	}
	at := 0
	if next.switches.WebhookReversed {
		at = len(s.outbox) - n
	}
	next.events = slices.Clone(s.outbox[at : at+n])
	s.outbox = slices.Delete(s.outbox, at, at+n)
	if next.switches.WebhookReversed {
		slices.Reverse(next.events)
	}
	return next, true
}

// post sends a shipment and records what came of it.
func (s *Simulator) post(next shipment) {
	body, contentType := next.encode()
	done := Delivery{At: s.Now(), Events: len(next.events), Body: string(body)}
	status, err := next.webhook.send(body, contentType)
	if err != nil {
		done.Problem = err.Error()
	}
	done.Status = status
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deliveries = appendBounded(s.deliveries, done)
}

// send returns the status of the answer.
func (w Webhook) send(body []byte, contentType string) (int, error) {
	request, err := http.NewRequest(http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Close = true // no idle connection outlives a test
	request.Header.Set("Content-Type", contentType)
	if w.Authorization != "" {
		request.Header.Set("Authorization", w.Authorization)
	}
	client := http.Client{
		Transport: w.Transport, Timeout: webhookPatience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}
