package order

import (
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/utils/ptr"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/identity"
)

var created = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// facts are those of web-3 of a set that begins at 0, with nothing in its favour.
func facts(change ...func(*Facts)) Facts {
	f := Facts{
		Identity: identity.Identity{Namespace: "default", Set: "web", Ordinal: 3},
		Policy:   Policy{Order: config.BindOrdinal},
		First:    ptr.To[int32](0),
		Created:  created,
		Now:      created.Add(time.Minute),
	}
	for _, c := range change {
		c(&f)
	}
	return f
}

func order(o config.BindOrder) func(*Facts)            { return func(f *Facts) { f.Policy.Order = o } }
func timeout(d time.Duration) func(*Facts)             { return func(f *Facts) { f.Policy.Timeout = d } }
func beginsAt(first int32) func(*Facts)                { return func(f *Facts) { f.First = &first } }
func setUnknown(f *Facts)                              { f.First = nil }
func boundBefore(f *Facts)                             { f.BoundOnce = true }
func predecessor(p Predecessor) func(*Facts)           { return func(f *Facts) { f.Predecessor = p } }
func ordinal(n int32) func(*Facts)                     { return func(f *Facts) { f.Identity.Ordinal = n } }
func all(changes ...func(*Facts)) (out []func(*Facts)) { return changes }

func TestJudge(t *testing.T) {
	for name, tc := range map[string]struct {
		facts     []func(*Facts)
		wantWaits bool
		want      Reason
	}{
		"an ordinal waits for the one before it":                      {nil, true, ReasonPredecessorUnbound},
		"it goes on once that one has been bound":                     {all(predecessor(Predecessor{BoundOnce: true})), false, ReasonPredecessorBound},
		"it is given a node while that one is on its way":             {all(predecessor(Predecessor{OnLine: true})), false, ReasonPredecessorOnLine},
		"one that is bound asks for no waiting on the line":           {all(predecessor(Predecessor{OnLine: true, BoundOnce: true})), false, ReasonPredecessorBound},
		"Ready is not asked for by default, and says nothing":         {all(predecessor(Predecessor{Ready: true})), true, ReasonPredecessorUnbound},
		"a replacement waits for nobody":                              {all(boundBefore), false, ReasonReplacement},
		"a replacement waits for nobody to be Ready either":           {all(boundBefore, order(config.BindOrdinalReady)), false, ReasonReplacement},
		"ordinal 0 comes first, whether its set was seen or not":      {all(ordinal(0), setUnknown), false, ReasonFirst},
		"a set may begin at another ordinal":                          {all(beginsAt(3)), false, ReasonFirst},
		"the one after the first waits":                               {all(beginsAt(2)), true, ReasonPredecessorUnbound},
		"one below the first is about to go, and waits for nobody":    {all(beginsAt(5)), false, ReasonFirst},
		"while the set is not known no ordinal but 0 counts as first": {all(setUnknown), true, ReasonSetUnknown},
		"a bound predecessor makes the set superfluous":               {all(setUnknown, predecessor(Predecessor{BoundOnce: true})), false, ReasonPredecessorBound},
		"without an order nobody waits":                               {all(order(config.BindUnordered)), false, ReasonUnordered},
		"OrdinalReady waits although the one before was bound":        {all(order(config.BindOrdinalReady), predecessor(Predecessor{BoundOnce: true})), true, ReasonPredecessorNotReady},
		"OrdinalReady waits although the one before is on its way":    {all(order(config.BindOrdinalReady), predecessor(Predecessor{OnLine: true})), true, ReasonPredecessorUnbound},
		"OrdinalReady goes on once the one before is Ready":           {all(order(config.BindOrdinalReady), predecessor(Predecessor{Ready: true, BoundOnce: true})), false, ReasonPredecessorReady},
		"before the timeout it waits":                                 {all(timeout(61 * time.Second)), true, ReasonPredecessorUnbound},
		"at the timeout it goes on":                                   {all(timeout(time.Minute)), false, ReasonTimeout},
		"at the timeout OrdinalReady goes on too":                     {all(timeout(time.Minute), order(config.BindOrdinalReady)), false, ReasonTimeout},
		"a timeout is not named where it was not needed":              {all(timeout(time.Minute), predecessor(Predecessor{OnLine: true})), false, ReasonPredecessorOnLine},
		"a timeout lets an ordinal of a set that is not known go on":  {all(timeout(time.Minute), setUnknown), false, ReasonTimeout},
		"an order that is none of the three is taken for Ordinal":     {all(order("Reverse"), predecessor(Predecessor{BoundOnce: true})), false, ReasonPredecessorBound},
	} {
		t.Run(name, func(t *testing.T) {
			v := Judge(facts(tc.facts...))
			if v.Waits != tc.wantWaits || v.Reason != tc.want {
				t.Errorf("waits %v by %s, want %v by %s", v.Waits, v.Reason, tc.wantWaits, tc.want)
			}
			if v.Message == "" || v.Waits != (len(v.Wakes) > 0) {
				t.Errorf("message %q, wakes %v", v.Message, v.Wakes)
			}
		})
	}
}

func TestMessagesNameWhoIsWaitedForAndWhatWouldEndIt(t *testing.T) {
	for name, tc := range map[string]struct {
		facts []func(*Facts)
		want  string
	}{
		"by default": {nil, "web-3 waits for web-2, which has not been bound yet (bind order Ordinal). Once web-2 is on its way to a node, it goes on."},
		"until Ready, with a timeout": {all(order(config.BindOrdinalReady), timeout(10*time.Minute)),
			"web-3 waits for web-2, which is not Ready (bind order OrdinalReady). Once web-2 is Ready, it goes on, and at the latest 10m0s after its creation."},
		"of a set that is not known": {all(setUnknown),
			"web-3 waits for web-2, which has not been bound yet (bind order Ordinal). The set web has not been seen yet, so web-3 cannot be known to be its first. Once web-2 is on its way to a node, it goes on."},
		"at the timeout": {all(timeout(time.Minute)),
			"web-3 goes on without web-2, which has not been bound yet: the pod is older than 1m0s (holdfast.dev/bind-order-timeout)."},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Judge(facts(tc.facts...)).Message; got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

// wakeChanges is what each wake tells of.
var wakeChanges = map[Wake]func(*Facts){
	WakeLine:              func(f *Facts) { f.Predecessor.OnLine = true },
	WakeBound:             func(f *Facts) { f.Predecessor.BoundOnce = true },
	WakePredecessorRecord: func(f *Facts) { f.Predecessor.BoundOnce = true },
	WakeReady:             func(f *Facts) { f.Predecessor.Ready = true },
	WakeRecord:            boundBefore,
	WakeSet:               func(f *Facts) { f.First = ptr.To(f.Identity.Ordinal) },
	WakePolicy:            order(config.BindUnordered),
	WakeTimeout:           func(f *Facts) { f.Now = f.Created.Add(f.Policy.Timeout) },
}

// TestWakesAreExactlyWhatLetsAnOrdinalGoOn takes all combinations of facts: whoever
// waits is woken by everything that would let it pass, and by nothing else.
func TestWakesAreExactlyWhatLetsAnOrdinalGoOn(t *testing.T) {
	waiting := 0
	for f := range everyFacts() {
		v := Judge(f)
		if !v.Waits {
			if len(v.Wakes) != 0 {
				t.Fatalf("%+v passes and has wakes %v", f, v.Wakes)
			}
			continue
		}
		waiting++
		for wake, change := range wakeChanges {
			changed := f
			change(&changed)
			if passes, listed := !Judge(changed).Waits, slices.Contains(v.Wakes, wake); passes != listed {
				t.Errorf("%+v: after %s it passes: %v; the verdict lists it: %v", f, wake, passes, listed)
			}
		}
		if v.Deadline.IsZero() != (f.Policy.Timeout == 0) {
			t.Errorf("%+v: deadline %s", f, v.Deadline)
		}
	}
	if waiting < 20 {
		t.Errorf("only %d combinations wait", waiting)
	}
}

// TestMoreKnowledgeNeverMakesAnOrdinalWait: every fact that is false when unknown only
// ever helps, so a stale cache delays and never lets anybody overtake.
func TestMoreKnowledgeNeverMakesAnOrdinalWait(t *testing.T) {
	for f := range everyFacts() {
		if Judge(f).Waits {
			continue
		}
		for name, change := range map[string]func(*Facts){
			"BoundOnce": boundBefore, "predecessor bound": wakeChanges[WakeBound], "predecessor on line": wakeChanges[WakeLine],
			"predecessor Ready": wakeChanges[WakeReady], "later": func(f *Facts) { f.Now = f.Now.Add(time.Hour) },
		} {
			changed := f
			change(&changed)
			if Judge(changed).Waits {
				t.Errorf("%+v passes, and waits after %s", f, name)
			}
		}
	}
}

// everyFacts yields all combinations.
func everyFacts() func(yield func(Facts) bool) {
	orders := []config.BindOrder{config.BindOrdinal, config.BindOrdinalReady, config.BindUnordered}
	firsts := []*int32{nil, ptr.To[int32](0), ptr.To[int32](2), ptr.To[int32](3)}
	return func(yield func(Facts) bool) {
		for bits := range 1 << 5 {
			for _, o := range orders {
				for _, first := range firsts {
					for _, n := range []int32{0, 1, 3} {
						f := facts(order(o), ordinal(n), predecessor(Predecessor{BoundOnce: bits&1 != 0, Ready: bits&2 != 0, OnLine: bits&4 != 0}))
						f.First, f.BoundOnce = first, bits&8 != 0
						if bits&16 != 0 {
							f.Policy.Timeout = time.Hour
						}
						if !yield(f) {
							return
						}
					}
				}
			}
		}
	}
}

func TestPolicyOf(t *testing.T) {
	profile := Policy{Order: config.BindOrdinalReady, Timeout: time.Hour}
	for name, tc := range map[string]struct {
		order, timeout string
		want           Policy
		wantErr        string
	}{
		"a pod that says nothing has the profile's":       {want: profile},
		"a pod's order goes before the profile's":         {order: "None", want: Policy{Order: config.BindUnordered, Timeout: time.Hour}},
		"a pod's timeout goes before the profile's":       {timeout: "1m30s", want: Policy{Order: config.BindOrdinalReady, Timeout: 90 * time.Second}},
		"a pod can ask to wait for ever":                  {timeout: "0s", want: Policy{Order: config.BindOrdinalReady}},
		"an order that is none of the three is not taken": {order: "ordinal", timeout: "1m", want: Policy{Order: config.BindOrdinalReady, Timeout: time.Minute}, wantErr: `annotation holdfast.dev/bind-order is "ordinal", and neither Ordinal, OrdinalReady nor None`},
		"a timeout that is no duration is not taken":      {order: "None", timeout: "soon", want: Policy{Order: config.BindUnordered, Timeout: time.Hour}, wantErr: `annotation holdfast.dev/bind-order-timeout is "soon", and neither 0s nor a duration from 1s to 24h`},
		"a timeout below a second is not taken":           {timeout: "10ms", want: profile, wantErr: `is "10ms"`},
		"a timeout below zero is not taken":               {timeout: "-1m", want: profile, wantErr: `is "-1m"`},
		"a timeout beyond a day is not taken":             {timeout: "25h", want: profile, wantErr: `is "25h"`},
		"both that cannot be read are told of":            {order: "?", timeout: "?", want: profile, wantErr: "bind-order-timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			annotations := map[string]string{}
			if tc.order != "" {
				annotations[v1alpha1.BindOrderAnnotation] = tc.order
			}
			if tc.timeout != "" {
				annotations[v1alpha1.BindOrderTimeoutAnnotation] = tc.timeout
			}
			got, err := PolicyOf(annotations, profile)
			if got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
			if (err != nil) != (tc.wantErr != "") || err != nil && !strings.Contains(err.Error(), tc.wantErr) {
				t.Errorf("error %v, want %q", err, tc.wantErr)
			}
		})
	}
}
