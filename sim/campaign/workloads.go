package campaign

import (
	"encoding/json"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// How many sets, and of how many replicas.
const (
	setsMost     = 3
	replicasMost = 5
)

// set is a StatefulSet.
type set struct {
	name     string
	replicas int
	// most is how many replicas it ever has.
	most int
	// policy is how pods are made: Parallel or OrderedReady.
	policy string
	// bindOrder is what the template asks of Holdfast; empty: nothing.
	bindOrder string
	// class of its claims; empty: it has none.
	class      string
	accessMode string
	// grace is after how many seconds a container is killed.
	grace int
	// budget: a PodDisruptionBudget lets one go at a time.
	budget bool
	// revision of the template.
	revision int
}

func (t *story) drawSets() {
	for i := range t.between(1, setsMost) {
		s := &set{
			name: []string{"db", "web", "log"}[i], replicas: t.between(1, replicasMost),
			policy: pick(t.dice, []string{"OrderedReady", "Parallel"}),
			grace:  pick(t.dice, []int{5, 30, 60}), budget: t.chance(0.3),
			accessMode: "ReadWriteOnce",
		}
		s.most = s.replicas
		if t.chance(0.3) {
			s.bindOrder = pick(t.dice, []string{"OrdinalReady", "None"})
		}
		if t.chance(0.75) {
			s.class = pick(t.dice, []string{classZonal, classZonal, classNetwork, classLocal})
			if t.cluster.Cloud && s.class == classLocal {
				s.class = classZonal // A machine that is given back takes its disks along.
			}
			if t.chance(0.2) {
				s.accessMode = "ReadWriteOncePod"
			}
		}
		t.sets = append(t.sets, s)
	}
	if t.chance(0.3) {
		t.deployment = t.between(1, 4)
	}
}

// pods are the names of all ordinals that there ever are.
func (s *set) pods() []string {
	var names []string
	for i := range s.most {
		names = append(names, fmt.Sprintf("%s-%d", s.name, i))
	}
	return names
}

// objects are the manifests that the run begins with.
func (t *story) objects() []scenario.Object {
	var objects []scenario.Object
	for _, s := range t.sets {
		first := *s
		first.revision = 1
		objects = append(objects, object(first.service()), object(first.manifest()))
		if s.budget {
			objects = append(objects, object(s.disruptionBudget()))
		}
	}
	if t.deployment > 0 {
		objects = append(objects, object(deployment(t.deployment)))
	}
	return objects
}

// fields is a part of a manifest.
type fields = map[string]any

func (s *set) service() fields {
	return fields{
		"apiVersion": "v1", "kind": "Service", "metadata": fields{"name": s.name},
		"spec": fields{"clusterIP": "None", "selector": fields{"app": s.name}, "ports": []any{fields{"name": "db", "port": 5432}}},
	}
}

func (s *set) disruptionBudget() fields {
	return fields{
		"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": fields{"name": s.name},
		"spec": fields{"maxUnavailable": 1, "selector": fields{"matchLabels": fields{"app": s.name}}},
	}
}

// manifest is the set as it is applied now. It never writes replicas that the run would
// have changed meanwhile: scale says it back before.
func (s *set) manifest() fields {
	annotations := fields{"example.com/revision": fmt.Sprint(s.revision)}
	if s.bindOrder != "" {
		annotations["holdfast.dev/bind-order"] = s.bindOrder
	}
	container := fields{
		"name": s.name, "image": "registry.example/" + s.name + ":1",
		"resources": fields{"requests": fields{"cpu": "100m", "memory": "64Mi"}},
	}
	spec := fields{
		"serviceName": s.name, "replicas": s.replicas, "podManagementPolicy": s.policy,
		"selector": fields{"matchLabels": fields{"app": s.name}},
		"template": fields{
			"metadata": fields{"labels": fields{"app": s.name}, "annotations": annotations},
			"spec": fields{
				"terminationGracePeriodSeconds": s.grace,
				// Ordinals that share a machine fall together, and less happens.
				"affinity": fields{"podAntiAffinity": fields{"preferredDuringSchedulingIgnoredDuringExecution": []any{fields{
					"weight":          100,
					"podAffinityTerm": fields{"topologyKey": "kubernetes.io/hostname", "labelSelector": fields{"matchLabels": fields{"app": s.name}}},
				}}}},
				"containers": []any{container},
			},
		},
	}
	if s.class != "" {
		container["volumeMounts"] = []any{fields{"name": "data", "mountPath": "/data"}}
		spec["volumeClaimTemplates"] = []any{fields{
			"metadata": fields{"name": "data"},
			"spec": fields{
				"storageClassName": s.class, "accessModes": []any{s.accessMode},
				"resources": fields{"requests": fields{"storage": "1Gi"}},
			},
		}}
	}
	return fields{"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": fields{"name": s.name}, "spec": spec}
}

// deployment is what runs beside the sets, and is not to be disturbed by them.
func deployment(replicas int) fields {
	labels := fields{"app": "proxy"}
	return fields{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": fields{"name": "proxy"},
		"spec": fields{
			"replicas": replicas, "selector": fields{"matchLabels": labels},
			"template": fields{
				"metadata": fields{"labels": labels},
				"spec": fields{"containers": []any{fields{
					"name": "proxy", "image": "registry.example/proxy:1",
					"resources": fields{"requests": fields{"cpu": "100m", "memory": "64Mi"}},
				}}},
			},
		},
	}
}

func object(manifest fields) scenario.Object {
	raw, err := json.Marshal(manifest)
	if err != nil {
		panic(err) // Strings and numbers always can be written.
	}
	return scenario.Object{Manifest: &runtime.RawExtension{Raw: raw}}
}

// converged is L4: in the quiet at the end every ordinal runs.
func (t *story) converged() []scenario.Ordinal {
	var all []scenario.Ordinal
	for _, s := range t.sets {
		for i := range s.replicas {
			all = append(all, scenario.Ordinal{Name: fmt.Sprintf("%s-%d", s.name, i), State: scenario.Running})
		}
	}
	return all
}

// recreated is how long a set is away at most that is deleted and applied again.
const recreated = 3 * time.Minute
