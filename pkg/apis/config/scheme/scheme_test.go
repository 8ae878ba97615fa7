package scheme

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
	configv1 "github.com/holdfast-dev/holdfast/pkg/apis/config/v1"
)

func defaults() config.HoldfastArgs {
	return config.HoldfastArgs{
		Protect:           config.ProtectAll,
		BindOrder:         config.BindOrdinal,
		NodeRemoval:       config.RemovalManaged,
		Score:             config.ScoreWeights{Attached: 60, AttachErrors: 20, AttachSlots: 5, ZoneSpread: 15},
		AttachErrorWindow: metav1.Duration{Duration: 10 * time.Minute},
	}
}

func with(change func(*config.HoldfastArgs)) config.HoldfastArgs {
	args := defaults()
	change(&args)
	return args
}

func TestDecode(t *testing.T) {
	for name, tc := range map[string]struct {
		yaml string
		want config.HoldfastArgs
	}{
		"args that say nothing have every default":           {yaml: "{}", want: defaults()},
		"no text at all has every default":                   {yaml: "", want: defaults()},
		"version and kind may be said":                       {yaml: "apiVersion: holdfast.dev/v1\nkind: HoldfastArgs", want: defaults()},
		"one weight said leaves the others at their default": {yaml: "score: {attached: 0}", want: with(func(a *config.HoldfastArgs) { a.Score.Attached = 0 })},
		"a duration is written as Go writes it": {yaml: "bindOrderTimeout: 1h30m", want: with(func(a *config.HoldfastArgs) {
			a.BindOrderTimeout.Duration = 90 * time.Minute
		})},
		"every field": {
			yaml: `
protect: Writers
controllers: [{group: apps.kruise.io, kind: StatefulSet}]
bindOrder: None
bindOrderTimeout: 1s
nodeRemoval: WhenDown
observeKubelets: true
score: {attached: 1, attachErrors: 2, attachSlots: 3, zoneSpread: 100}
attachErrorWindow: 24h`,
			want: config.HoldfastArgs{
				Protect:           config.ProtectWriters,
				Controllers:       []config.ControllerKind{{Group: "apps.kruise.io", Kind: "StatefulSet"}},
				BindOrder:         config.BindUnordered,
				BindOrderTimeout:  metav1.Duration{Duration: time.Second},
				NodeRemoval:       config.RemovalWhenDown,
				ObserveKubelets:   true,
				Score:             config.ScoreWeights{Attached: 1, AttachErrors: 2, AttachSlots: 3, ZoneSpread: 100},
				AttachErrorWindow: metav1.Duration{Duration: 24 * time.Hour},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Decode([]byte(tc.yaml))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tc.want, got); diff != "" {
				t.Errorf("args (-want,+got):\n%s", diff)
			}
		})
	}
}

func TestDecodeNamesTheFieldThatIsWrong(t *testing.T) {
	for name, tc := range map[string]struct{ yaml, want string }{
		"a field that does not exist":        {"bindorder: Ordinal", `unknown field "bindorder"`},
		"an unknown field inside another":    {"score: {atached: 1}", `unknown field "score.atached"`},
		"a field that stands twice":          {"protect: All\nprotect: None", `key "protect" already set`},
		"a word that is none of the three":   {"protect: Some", `protect: Unsupported value: "Some": supported values: "All", "Writers", "None"`},
		"an order that is none of the three": {"bindOrder: Reverse", `bindOrder: Unsupported value: "Reverse"`},
		"a policy that is none of the three": {"nodeRemoval: Always", `nodeRemoval: Unsupported value: "Always"`},
		"a weight above the range":           {"score: {zoneSpread: 101}", `score.zoneSpread: Invalid value: 101: not in valid range [0, 100]`},
		"a weight below the range":           {"score: {attachSlots: -1}", `score.attachSlots: Invalid value: -1`},
		"a timeout that is too short":        {"bindOrderTimeout: 10ms", `bindOrderTimeout: Invalid value: "10ms": not in valid range [1s, 24h]`},
		"a timeout below zero":               {"bindOrderTimeout: -1s", `bindOrderTimeout: Invalid value`},
		"a window of nothing":                {"attachErrorWindow: 0s", `attachErrorWindow: Invalid value`},
		"a window that is too long":          {"attachErrorWindow: 25h", `attachErrorWindow: Invalid value`},
		"a controller without a kind":        {"controllers: [{group: apps.kruise.io}]", `controllers[0].kind: Required value`},
		"a controller without a group":       {"controllers: [{kind: Set}]", `controllers[0].group: Invalid value: ""`},
		"the same controller twice":          {"controllers: [{group: a.b, kind: C}, {group: a.b, kind: C}]", `controllers[1]: Duplicate value`},
		"more controllers than can be":       {"controllers: [" + strings.TrimSuffix(strings.Repeat("{group: a.b, kind: C},", 17), ",") + "]", `controllers: Too many: 17: must have at most 16 items`},
		"several faults are told at once":    {"protect: Some\nbindOrder: Reverse", `bindOrder: Unsupported value`},
		"args of another plugin":             {"apiVersion: kubescheduler.config.k8s.io/v1\nkind: NodeAffinityArgs", `no kind "NodeAffinityArgs" is registered`},
		"a version that does not exist":      {"apiVersion: holdfast.dev/v9\nkind: HoldfastArgs", `holdfast.dev/v9`},
		"a list where args should be":        {"[]", `cannot unmarshal`},
		"text that is no YAML":               {"a: b: c", `mapping values`},
		"a number where a word should be":    {"protect: 1", `cannot unmarshal`},
		"a duration that is none":            {"bindOrderTimeout: soon", `soon`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Decode([]byte(tc.yaml))
			if err == nil {
				t.Fatalf("accepted: %+v", got)
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %q does not contain %q", err, tc.want)
			}
		})
	}
}

func TestOf(t *testing.T) {
	t.Run("a profile without args has the defaults", func(t *testing.T) {
		got, err := Of(nil)
		if want := defaults(); err != nil || !cmp.Equal(&want, got) {
			t.Errorf("got %+v, error %v", got, err)
		}
	})
	t.Run("args as a configuration file had them are decoded", func(t *testing.T) {
		got, err := Of(&runtime.Unknown{Raw: []byte(`{"bindOrder":"None"}`)})
		if err != nil || got.BindOrder != config.BindUnordered {
			t.Errorf("got %+v, error %v", got, err)
		}
	})
	t.Run("args made in code are checked too", func(t *testing.T) {
		args := with(func(a *config.HoldfastArgs) { a.Score.Attached = 101 })
		if _, err := Of(&args); err == nil || !strings.Contains(err.Error(), "score.attached") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("another plugin's args are refused by type", func(t *testing.T) {
		if _, err := Of(&metav1.Status{}); err == nil || !strings.Contains(err.Error(), "*v1.Status") {
			t.Errorf("error %v", err)
		}
	})
}

// encode writes args as a file has them.
func encode(t testing.TB, args *config.HoldfastArgs) []byte {
	t.Helper()
	info, ok := runtime.SerializerInfoForMediaType(Codecs.SupportedMediaTypes(), runtime.ContentTypeYAML)
	if !ok {
		t.Fatal("no serializer of YAML")
	}
	data, err := runtime.Encode(Codecs.EncoderForVersion(info.Serializer, configv1.SchemeGroupVersion), args)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// FuzzDecode: whatever is accepted is within its ranges, and is read again as it was.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("{}"))
	f.Add([]byte("protect: Writers\nscore: {attached: 0, zoneSpread: 100}\nbindOrderTimeout: 1m"))
	f.Add([]byte("controllers: [{group: apps.kruise.io, kind: StatefulSet}]\nnodeRemoval: Never"))
	f.Add([]byte(`{"apiVersion":"holdfast.dev/v1","kind":"HoldfastArgs","observeKubelets":true,"attachErrorWindow":"1s"}`))
	f.Add([]byte("controllers: []"))
	f.Add([]byte("bindOrder: OrdinalReady\nbindOrder: None"))
	f.Fuzz(func(t *testing.T, data []byte) {
		args, err := Decode(data)
		if err != nil {
			return
		}
		again, err := Decode(encode(t, args))
		if err != nil {
			t.Fatalf("%+v was accepted, and not when written out: %v", args, err)
		}
		// An empty list and none mean the same.
		if diff := cmp.Diff(args, again, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("written out and read again (-before,+after):\n%s", diff)
		}
	})
}
