package caddymfa

import (
	"errors"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddymfa/caddymfa/caddymfa/onelogin"
)

// calls counts what OneLogin was asked. It outlives configs, as counters do;
// every config registers it with a registry of its own.
var calls = prometheus.NewCounterVec(prometheus.CounterOpts{
	Namespace: "caddy",
	Subsystem: "mfa",
	Name:      "onelogin_calls_total",
	Help:      "Calls to OneLogin's API by operation and HTTP status; status 0 is no answer.",
}, []string{"op", "status"})

// refused counts stored records that were not believed.
var refused = prometheus.NewCounterVec(prometheus.CounterOpts{
	Namespace: "caddy",
	Subsystem: "mfa",
	Name:      "store_records_refused_total",
	Help:      "Stored records that were changed, moved, or written by another version, by store.",
}, []string{"store"})

// registerMetrics makes the counters part of the config's metrics.
func registerMetrics(ctx caddy.Context) error {
	for _, counter := range []*prometheus.CounterVec{calls, refused} {
		err := ctx.GetMetricsRegistry().Register(counter)
		if known := new(prometheus.AlreadyRegisteredError); err != nil && !errors.As(err, known) {
			return err
		}
	}
	return nil
}

func countRefused(store string, records int) {
	refused.WithLabelValues(store).Add(float64(records))
}

func countCall(call onelogin.Call) {
	calls.WithLabelValues(call.Op, strconv.Itoa(call.StatusCode)).Inc()
}
