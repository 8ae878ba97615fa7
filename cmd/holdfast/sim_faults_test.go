package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestFaultsAreListed(t *testing.T) {
	var out, errOut bytes.Buffer
	if code := run([]string{"sim", "faults"}, &out, &errOut); code != 0 {
		t.Fatalf("exit code %d: %s", code, errOut.String())
	}
	for _, want := range []string{"NODE\n", "REMEDIATION\n", "  freeze\n", "    kubeletOnly: "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the list has no %q:\n%s", want, out.String())
		}
	}
	out.Reset()
	if code := run([]string{"sim", "faults", "-o", "json"}, &out, &errOut); code != 0 {
		t.Fatalf("exit code %d: %s", code, errOut.String())
	}
	var list faultList
	if err := json.Unmarshal(out.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	if list.Kind != "FaultList" || list.APIVersion == "" || len(list.Families) != 8 {
		t.Errorf("%s of %s with %d families", list.Kind, list.APIVersion, len(list.Families))
	}
	if code := run([]string{"sim", "faults", "-o", "yaml"}, &out, &errOut); code != exitInput {
		t.Errorf("-o yaml: exit code %d", code)
	}
}
