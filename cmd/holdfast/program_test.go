package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestTheProgramKnowsHowItWasCalled(t *testing.T) {
	for name, tc := range map[string]struct {
		argv        []string
		wantProgram string
		wantArgs    []string
	}{
		"by its own name":                   {[]string{"/usr/bin/holdfast", "status"}, "holdfast", []string{"status"}},
		"by kubectl":                        {[]string{"/usr/bin/kubectl-holdfast", "status", "-A"}, "kubectl holdfast", []string{"status", "-A"}},
		"by kubectl, for what can be typed": {[]string{"kubectl_complete-holdfast", "sta"}, "kubectl holdfast", []string{cobra.ShellCompRequestCmd, "sta"}},
		"by kubectl on Windows":             {[]string{"kubectl-holdfast.exe"}, "kubectl holdfast", nil},
		"by a name that somebody gave it":   {[]string{"hf", "status"}, "holdfast", []string{"status"}},
		"by nobody who says so":             {nil, "holdfast", nil},
	} {
		t.Run(name, func(t *testing.T) {
			program, args := calledAs(tc.argv)
			if program != tc.wantProgram || !slices.Equal(args, tc.wantArgs) {
				t.Errorf("got %q %q, want %q %q", program, args, tc.wantProgram, tc.wantArgs)
			}
		})
	}
}

// visit calls f for the command and all below it that do something.
func visit(c *cobra.Command, f func(*cobra.Command)) {
	if c.Runnable() {
		f(c)
	}
	for _, sub := range c.Commands() {
		visit(sub, f)
	}
}

func TestEveryCommandHasExamplesInTheNameByWhichItWasCalled(t *testing.T) {
	for _, program := range []string{"holdfast", "kubectl holdfast"} {
		visit(newCommand(program, false), func(c *cobra.Command) {
			lines := 0
			for line := range strings.Lines(c.Example) {
				line = strings.TrimSpace(line)
				if line == "" || strings.HasPrefix(line, "#") {
					continue
				}
				lines++
				if !strings.HasPrefix(line, c.CommandPath()+" ") && line != c.CommandPath() {
					t.Errorf("%s has the example %q", c.CommandPath(), line)
				}
			}
			if lines == 0 || c.Short == "" || c.Long == "" && c.Name() != "schema" {
				t.Errorf("%s has %d examples", c.CommandPath(), lines)
			}
			if !strings.HasPrefix(c.CommandPath(), program+" ") {
				t.Errorf("the path is %q, want it under %q", c.CommandPath(), program)
			}
		})
	}
}

func TestShellsAreToldWhatCanBeTyped(t *testing.T) {
	for args, want := range map[string][]string{
		"":                        {"status", "release", "uninstall", "sim"},
		"status -o ":              outputs,
		"release db-0 --dry-run ": {"none", "server"},
		"uninstall --ignore ":     {"held-identities", "profile-in-use", "default-scheduler"},
	} {
		_, line := calledAs(append([]string{"kubectl_complete-holdfast"}, strings.Split(args, " ")...))
		var out, errOut bytes.Buffer
		if code := run(line, &out, &errOut); code != 0 {
			t.Errorf("%q: exit code %d: %s", args, code, errOut.String())
		}
		for _, word := range want {
			if !strings.Contains(out.String(), word) {
				t.Errorf("%q: %q is not offered in\n%s", args, word, out.String())
			}
		}
	}
}
