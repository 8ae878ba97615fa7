package perf

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	schedulermanifest "github.com/holdfast-dev/holdfast/manifests/scheduler"
)

// workload is one of upstream's, run as it is.
type workload struct {
	// file is upstream's, in test/integration/scheduler_perf.
	file string
	// test and name find it there.
	test, name string
}

// config writes a file for scheduler_perf that has the workload for each of the sides.
// Nothing of it is changed but where its templates are found, and which scheduler runs.
func (w workload) config(tb testing.TB, sides []string) string {
	tb.Helper()
	folder := filepath.Join(upstream(tb), "test/integration/scheduler_perf")
	data, err := os.ReadFile(filepath.Join(folder, w.file))
	if err != nil {
		tb.Fatal(err)
	}
	// Templates are named relative to the file.
	data = []byte(strings.ReplaceAll(string(data), " ../templates/", " "+folder+"/templates/"))
	var all []map[string]any
	if err := yaml.Unmarshal(data, &all); err != nil {
		tb.Fatalf("%s: %v", w.file, err)
	}
	var cases []map[string]any
	for _, test := range all {
		if test["name"] != w.test {
			continue
		}
		for _, side := range sides {
			cases = append(cases, w.of(tb, test, side))
		}
	}
	if len(cases) == 0 {
		tb.Fatalf("%s has no test %s", w.file, w.test)
	}
	return write(tb, "config.yaml", marshal(tb, cases))
}

// of returns the test with this workload alone, for the side.
func (w workload) of(tb testing.TB, test map[string]any, side string) map[string]any {
	tb.Helper()
	made := map[string]any{}
	for key, value := range test {
		made[key] = value
	}
	made["name"] = "side=" + side
	made["schedulerConfigPath"] = configuration(tb, side)
	for _, one := range test["workloads"].([]any) {
		if one := one.(map[string]any); one["name"] == w.name {
			chosen := map[string]any{}
			for key, value := range one {
				chosen[key] = value
			}
			chosen["labels"] = []string{label}
			delete(chosen, "threshold") // It is of upstream's machines.
			made["workloads"] = []any{chosen}
			return made
		}
	}
	tb.Fatalf("%s of %s has no workload %s", w.test, w.file, w.name)
	return nil
}

// label chooses what runs: upstream's own choice is by the size of its machines.
const label = "holdfast"

// configuration is the side's, with further plugins in its profile.
func configuration(tb testing.TB, side string, plugins ...string) string {
	tb.Helper()
	c := map[string]any{
		"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration",
		"profiles": []any{map[string]any{"schedulerName": "default-scheduler", "plugins": map[string]any{"multiPoint": map[string]any{"enabled": []any{}}}}},
	}
	if side == "B" {
		c = shipped(tb)
	}
	for _, profile := range c["profiles"].([]any) {
		points := profile.(map[string]any)["plugins"].(map[string]any)["multiPoint"].(map[string]any)
		for _, name := range plugins {
			points["enabled"] = append([]any{map[string]any{"name": name}}, points["enabled"].([]any)...)
		}
	}
	return write(tb, "scheduler.yaml", marshal(tb, c))
}

// shipped is the configuration that is shipped, for the name that upstream's pods have.
func shipped(tb testing.TB) map[string]any {
	tb.Helper()
	var c map[string]any
	if err := yaml.Unmarshal(schedulermanifest.Configuration, &c); err != nil {
		tb.Fatal(err)
	}
	delete(c, "leaderElection")
	for _, profile := range c["profiles"].([]any) {
		profile.(map[string]any)["schedulerName"] = "default-scheduler"
	}
	return c
}

func marshal(tb testing.TB, v any) []byte {
	tb.Helper()
	out, err := yaml.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func write(tb testing.TB, name string, data []byte) string {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), name)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		tb.Fatal(err)
	}
	return file
}

// upstream is the folder of Kubernetes' own source.
func upstream(tb testing.TB) string {
	tb.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/kubernetes").Output()
	if err != nil {
		tb.Fatalf("where Kubernetes' source is: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// etcd puts an etcd on the PATH, which scheduler_perf starts: the one that go.mod names.
func etcd(folder string) error {
	build := exec.Command("go", "build", "-o", filepath.Join(folder, "etcd"), "go.etcd.io/etcd/server/v3")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build etcd: %w: %s", err, out)
	}
	return os.Setenv("PATH", folder+string(os.PathListSeparator)+os.Getenv("PATH"))
}
