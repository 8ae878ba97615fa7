package main

import (
	"strings"
	"testing"
	"time"
)

func TestFlagsOfTheGuardAreRefusedByName(t *testing.T) {
	tests := map[string]struct {
		change    func(*guardOptions)
		wantError string
	}{
		"the defaults": {func(*guardOptions) {}, ""},
		"a lease that ends before its renewal is given up": {
			func(g *guardOptions) { g.leaseDuration = g.renewDeadline }, "--guard-lease-duration",
		},
		"no time for a second try": {
			func(g *guardOptions) { g.retryPeriod = g.renewDeadline }, "--guard-renew-deadline",
		},
		"no pause between tries": {
			func(g *guardOptions) { g.retryPeriod = 0 }, "--guard-retry-period",
		},
		"a namespace that cannot exist": {
			func(g *guardOptions) { g.leaseNamespace = "Holdfast System" }, "--guard-lease-namespace",
		},
		"durations do not matter without a lease": {
			func(g *guardOptions) { g.leaderElect, g.leaseDuration = false, time.Nanosecond }, "",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			g := newGuardOptions()
			tc.change(g)
			err := g.validate()
			if tc.wantError == "" && err != nil {
				t.Errorf("got %v", err)
			}
			if tc.wantError != "" && (err == nil || !strings.HasPrefix(err.Error(), tc.wantError)) {
				t.Errorf("got %v, want an error about %s", err, tc.wantError)
			}
		})
	}
}

func TestTheNamespaceOfTheLeaseIsThatOfThePod(t *testing.T) {
	t.Setenv("POD_NAMESPACE", "elsewhere")
	if got := newGuardOptions().leaseNamespace; got != "elsewhere" {
		t.Errorf("got %s", got)
	}
	t.Setenv("POD_NAMESPACE", "")
	if got := newGuardOptions().leaseNamespace; got != "holdfast-system" {
		t.Errorf("got %s", got)
	}
}
