package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestJSON(t *testing.T) {
	for _, want := range []Report{silentNode(), falseAttestation()} {
		t.Run(want.Scenario, func(t *testing.T) {
			var out bytes.Buffer
			if err := WriteJSON(&out, &want); err != nil {
				t.Fatal(err)
			}
			golden(t, want.Scenario+".json", out.String())

			decoder := json.NewDecoder(&out)
			decoder.DisallowUnknownFields()
			var got Report
			if err := decoder.Decode(&got); err != nil {
				t.Fatal(err)
			}
			want.APIVersion, want.Kind = APIVersion, Kind
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("there and back (-want,+got):\n%s", diff)
			}
		})
	}
}

func TestJSONHasNoNullLists(t *testing.T) {
	for name, r := range map[string]Report{
		"no runs":      {},
		"an empty run": {Runs: []Run{{Scheduler: "default"}}},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := WriteJSON(&out, &r); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(out.String(), "null") {
				t.Errorf("null in\n%s", out.String())
			}
			if len(r.Runs) > 0 && r.Runs[0].Events != nil {
				t.Error("the caller's report was changed")
			}
		})
	}
}
