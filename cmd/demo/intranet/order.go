package intranet

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// order is one order for supplies that somebody sent by the form.
type order struct {
	Number   int
	Item     string
	Quantity int
	By       string // from X-Mfa-User
}

const (
	maxOrders   = 20      // the book forgets older ones
	maxFormSize = 8 << 10 // bytes
	maxItem     = 60      // characters
	maxQuantity = 500
)

// orderBook keeps the latest orders in memory. The zero value is empty and
// ready.
type orderBook struct {
	mu     sync.Mutex
	placed int
	latest []order // newest first
}

// add puts an order on top and drops the oldest one if there are too many.
func (b *orderBook) add(item string, quantity int, by string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.placed++
	b.latest = slices.Insert(b.latest, 0, order{b.placed, item, quantity, by})
	b.latest = b.latest[:min(len(b.latest), maxOrders)]
}

// list returns a copy, newest first.
func (b *orderBook) list() []order {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.latest)
}

// placeOrder takes the form of the orders page. It answers a good one with a
// redirect, so that a reload does not order twice.
func (a *App) placeOrder(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxFormSize)
	item := strings.TrimSpace(r.PostFormValue("item"))
	quantity, err := strconv.Atoi(r.PostFormValue("quantity"))
	switch {
	case item == "" || utf8.RuneCountInString(item) > maxItem:
		a.render(w, r, http.StatusUnprocessableEntity, "orders", "Say what you need, in at most 60 characters.")
	case err != nil || quantity < 1 || quantity > maxQuantity:
		a.render(w, r, http.StatusUnprocessableEntity, "orders", "The quantity is a number from 1 to 500.")
	default:
		a.orders.add(item, quantity, r.Header.Get("X-Mfa-User"))
		http.Redirect(w, r, "/orders", http.StatusSeeOther)
	}
}
