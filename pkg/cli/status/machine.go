package status

import (
	"encoding/json"
	"fmt"
	"io"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/cli/cluster"
	"github.com/holdfast-dev/holdfast/pkg/explain"
)

// APIVersion and Kind are those of what programs read. The version changes when a
// field goes or changes its meaning.
const (
	APIVersion = "cli.holdfast.dev/v1alpha1"
	Kind       = "OrdinalList"
)

// List is what programs read.
type List struct {
	metav1.TypeMeta `json:",inline"`
	Items           []Item `json:"items"`
	// Held is how many of them are held.
	Held int `json:"held"`
}

// Item is one ordinal. Fields that say nothing are left out.
type Item struct {
	Namespace   string         `json:"namespace"`
	Name        string         `json:"name"`
	StatefulSet string         `json:"statefulSet"`
	Ordinal     int32          `json:"ordinal"`
	Phase       v1alpha1.Phase `json:"phase,omitempty"`
	Epoch       int64          `json:"epoch,omitempty"`
	// Incarnation, Evidence and Attestations are those of the record.
	Incarnation  *v1alpha1.Incarnation  `json:"incarnation,omitempty"`
	Evidence     *v1alpha1.Evidence     `json:"evidence,omitempty"`
	Attestations []v1alpha1.Attestation `json:"attestations,omitempty"`
	// Pod is the object that has the name.
	Pod *Pod `json:"pod,omitempty"`
	// Hold is nil if the ordinal is not held.
	Hold *Hold `json:"hold,omitempty"`
}

// Pod is what programs learn of a pod here; the rest the API has.
type Pod struct {
	UID               types.UID    `json:"uid"`
	Phase             string       `json:"phase,omitempty"`
	Node              string       `json:"node,omitempty"`
	DeletionTimestamp *metav1.Time `json:"deletionTimestamp,omitempty"`
}

// Hold is why an ordinal is held, by whom, since when, and what is missing for its end.
type Hold struct {
	By      string       `json:"by"`
	Since   *metav1.Time `json:"since,omitempty"`
	Message string       `json:"message"`
	Ways    []Way        `json:"ways,omitempty"`
}

// Way is a rule by which the incarnation could be proven over.
type Way struct {
	Rule     string                `json:"rule"`
	Evidence v1alpha1.EvidenceKind `json:"evidence"`
	Missing  []string              `json:"missing"`
}

// JSON writes the list as indented JSON.
func JSON(out io.Writer, ordinals []cluster.Ordinal) error {
	content, err := json.MarshalIndent(listOf(ordinals), "", "    ")
	if err == nil {
		_, err = fmt.Fprintln(out, string(content))
	}
	return err
}

// YAML writes the list as YAML.
func YAML(out io.Writer, ordinals []cluster.Ordinal) error {
	content, err := yaml.Marshal(listOf(ordinals))
	if err == nil {
		_, err = out.Write(content)
	}
	return err
}

// Names writes a line per record that kubectl understands.
func Names(out io.Writer, ordinals []cluster.Ordinal) error {
	for _, o := range ordinals {
		name := "pod/" + o.ID.Name()
		if o.Record != nil {
			name = "tenancy." + v1alpha1.GroupName + "/" + o.ID.Name()
		}
		if _, err := fmt.Fprintln(out, name); err != nil {
			return err
		}
	}
	return nil
}

func listOf(ordinals []cluster.Ordinal) List {
	list := List{TypeMeta: metav1.TypeMeta{APIVersion: APIVersion, Kind: Kind}, Items: []Item{}, Held: Held(ordinals)}
	for _, o := range ordinals {
		list.Items = append(list.Items, itemOf(o))
	}
	return list
}

func itemOf(o cluster.Ordinal) Item {
	item := Item{Namespace: o.ID.Namespace, Name: o.ID.Name(), StatefulSet: o.ID.Set, Ordinal: o.ID.Ordinal}
	if r := o.Record; r != nil {
		item.Phase, item.Epoch = v1alpha1.Phase(phaseOf(r)), r.Status.Epoch
		item.Incarnation, item.Evidence, item.Attestations = r.Status.Incarnation, r.Status.Evidence, r.Spec.Attestations
	}
	if pod := o.Pod; pod != nil {
		item.Pod = &Pod{UID: pod.UID, Phase: string(pod.Status.Phase), Node: pod.Spec.NodeName, DeletionTimestamp: pod.DeletionTimestamp}
	}
	if hold := explain.HoldOf(o.Facts); hold != nil {
		item.Hold = &Hold{By: hold.By, Message: hold.Message}
		if !hold.Since.IsZero() {
			item.Hold.Since = &hold.Since
		}
		for _, w := range explain.Ways(o.Facts) {
			item.Hold.Ways = append(item.Hold.Ways, Way{w.Rule, w.Kind, append([]string{}, w.Missing...)})
		}
	}
	return item
}
