package scenario

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAClusterThatExists(t *testing.T) {
	const one = `apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: Node, metadata: {name: mine}}
  - {apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: disks}, provisioner: disk.example.com}
  - {apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: files}, provisioner: file.example.com}
  - {apiVersion: storage.k8s.io/v1, kind: CSIDriver, metadata: {name: file.example.com}, spec: {attachRequired: false}}
`
	const head = "apiVersion: sim.holdfast.dev/v1alpha1\nkind: Scenario\nuntil: 5m\n"
	for name, tc := range map[string]struct{ text, want string }{
		"its nodes and its classes are known to the steps": {
			text: "cluster: {from: [one.yaml]}\ntimeline:\n  - {at: 1m, partition: {node: mine}}\n  - {at: 1m, storage: {class: disks, attach: Fail}}\n",
		},
		"other nodes are not": {
			text: "cluster: {from: [one.yaml]}\ntimeline:\n  - {at: 1m, partition: {node: a-0}}\n",
			want: `timeline[0].partition.node: Not found: "a-0"`,
		},
		"a class whose driver attaches nothing": {
			text: "cluster: {from: [one.yaml]}\ntimeline:\n  - {at: 1m, storage: {class: files, attach: Fail}}\n",
			want: "timeline[0].storage.class: Invalid value: \"files\": volumes of this class are not attached",
		},
		"beside node groups": {
			text: "cluster: {from: [one.yaml], nodeGroups: [{name: a, zone: a, count: 1}]}\n",
			want: "cluster.nodeGroups: Forbidden: the cluster is that of from",
		},
		"a file that there is none of": {
			text: "cluster: {from: [two.yaml]}\n",
			want: "scenario.yaml:4: cluster.from: open ",
		},
		"neither": {
			text: "cluster: {}\n",
			want: "cluster.nodeGroups: Required value: a cluster needs machines, of its own or from a snapshot",
		},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			for file, text := range map[string]string{"one.yaml": one, "scenario.yaml": head + tc.text} {
				if err := os.WriteFile(filepath.Join(folder, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			s, err := Load(filepath.Join(folder, "scenario.yaml"))
			if tc.want == "" {
				if err != nil || s.Snapshot() == nil {
					t.Errorf("got %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q in it", err, tc.want)
			}
		})
	}
}
