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

// registerMetrics makes the counters part of the config's metrics.
func registerMetrics(ctx caddy.Context) error {
	err := ctx.GetMetricsRegistry().Register(calls)
	if known := new(prometheus.AlreadyRegisteredError); errors.As(err, known) {
		return nil
	}
	return err
}

func countCall(call onelogin.Call) {
	calls.WithLabelValues(call.Op, strconv.Itoa(call.StatusCode)).Inc()
}
