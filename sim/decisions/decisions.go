// Package decisions has what the plugins of a scheduler said in each of its attempts
// to place a pod, and writes it: a line of JSON for each attempt, or the annotations
// by which kube-scheduler-simulator shows it.
package decisions

import (
	"encoding/json"
	"io"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// APIVersion and Kind of each line.
	APIVersion = "sim.holdfast.dev/v1alpha1"
	// Kind is what a line is.
	Kind = "SchedulingAttempt"

	// Success, Passed and Skip are what a plugin says that has nothing to say against a
	// pod; anything else is its reason.
	Success = "success"
	Passed  = "passed"
	Skip    = "skip"
	// Wait is what a plugin says that wants to be waited for.
	Wait = "wait"
)

// ByPlugin is what each plugin said.
type ByPlugin map[string]string

// ByNode is what each plugin said of each node that it was asked about.
type ByNode map[string]ByPlugin

// Scores are what each plugin gave each node.
type Scores map[string]map[string]int64

// Attempt is one attempt to place one pod. A plugin that was not asked is not there:
// the first that has something against a node ends the question.
type Attempt struct {
	metav1.TypeMeta `json:",inline"`

	// Scenario and Scheduler are the run that it was made in.
	Scenario  string `json:"scenario,omitempty"`
	Scheduler string `json:"scheduler,omitempty"`
	// At is the virtual time at which it began; negative: before the story did.
	At metav1.Duration `json:"at"`

	// Namespace, Pod and UID are the pod, and Number counts its attempts from 1.
	Namespace string    `json:"namespace"`
	Pod       string    `json:"pod"`
	UID       types.UID `json:"uid"`
	Number    int       `json:"number"`

	PreFilter ByPlugin `json:"preFilter,omitempty"`
	// PreFilterNodes are the nodes that a plugin left, if it left out any.
	PreFilterNodes map[string][]string `json:"preFilterNodes,omitempty"`
	Filter         ByNode              `json:"filter,omitempty"`
	PostFilter     ByPlugin            `json:"postFilter,omitempty"`
	// NominatedNode is where room is made for the pod.
	NominatedNode string   `json:"nominatedNode,omitempty"`
	PreScore      ByPlugin `json:"preScore,omitempty"`
	// Score is as the plugins gave it, Normalized between 0 and 100, Final times the
	// weight of the plugin.
	Score      Scores   `json:"score,omitempty"`
	Normalized Scores   `json:"normalized,omitempty"`
	Final      Scores   `json:"final,omitempty"`
	Reserve    ByPlugin `json:"reserve,omitempty"`
	Permit     ByPlugin `json:"permit,omitempty"`
	// PermitTimeout is how long a plugin wants to be waited for at most.
	PermitTimeout ByPlugin `json:"permitTimeout,omitempty"`
	PreBind       ByPlugin `json:"preBind,omitempty"`
	Bind          ByPlugin `json:"bind,omitempty"`
	// SelectedNode is the node that was chosen; empty: none.
	SelectedNode string `json:"selectedNode,omitempty"`
}

// Write writes a line for each attempt.
func Write(w io.Writer, attempts []Attempt) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for _, a := range attempts {
		a.TypeMeta = metav1.TypeMeta{APIVersion: APIVersion, Kind: Kind}
		if err := e.Encode(a); err != nil {
			return err
		}
	}
	return nil
}
