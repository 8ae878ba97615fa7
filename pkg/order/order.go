// Package order says when an ordinal may be bound for the first time: after the one
// before it (S6), also where the StatefulSet controller makes all pods at once.
//
// Judge is the decision about one ordinal. Line has the ordinals that are on their
// way to a node in this process: it lets many of them be scheduled at a time, and
// binds them one after the other.
package order

import (
	"fmt"
	"math"
	"time"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/identity"
)

// Facts is what is known of an ordinal that is to be bound and of the one before it.
// What is not known is false: it makes the ordinal wait, and never overtake.
type Facts struct {
	Identity identity.Identity
	Policy   Policy
	// First is the set's first ordinal; nil while the set has not been seen.
	First *int32
	// BoundOnce: an incarnation of this ordinal has been bound before, so that this one
	// is a replacement.
	BoundOnce   bool
	Predecessor Predecessor
	// Created is when the pod was made.
	Created time.Time
	Now     time.Time
}

// Predecessor is what is known of the ordinal before.
type Predecessor struct {
	// BoundOnce: an incarnation of it is bound, or has been.
	BoundOnce bool
	// Ready: its pod is Ready, and nobody has asked for its deletion.
	Ready bool
	// OnLine: it is on its way to a node in this process (Line.Leads).
	OnLine bool
}

// Reason is the typed code of a verdict.
type Reason string

const (
	// ReasonUnordered passes: the policy asks for no order.
	ReasonUnordered Reason = "Unordered"
	// ReasonFirst passes: no ordinal of the set comes before.
	ReasonFirst Reason = "FirstOrdinal"
	// ReasonReplacement passes: order governs the first incarnation only, or a lost node
	// would cost the ordinals after it too.
	ReasonReplacement Reason = "Replacement"
	// ReasonPredecessorBound passes.
	ReasonPredecessorBound Reason = "PredecessorBound"
	// ReasonPredecessorReady passes.
	ReasonPredecessorReady Reason = "PredecessorReady"
	// ReasonPredecessorOnLine passes as far as the node; the bind waits for its turn.
	ReasonPredecessorOnLine Reason = "PredecessorOnLine"
	// ReasonTimeout passes: the pod has waited for as long as its policy asks.
	ReasonTimeout Reason = "BindOrderTimeout"

	// ReasonSetUnknown waits: the set has not been seen, so nobody can say which ordinal
	// is its first.
	ReasonSetUnknown Reason = "SetUnknown"
	// ReasonPredecessorNotReady waits: it was bound, and is not Ready.
	ReasonPredecessorNotReady Reason = "PredecessorNotReady"
	// ReasonPredecessorUnbound waits.
	ReasonPredecessorUnbound Reason = "PredecessorUnbound"
)

// Wake is something after which the verdict is worth another look.
type Wake string

const (
	// WakeLine: the predecessor is on its way to a node in this process.
	WakeLine Wake = "PredecessorOnLine"
	// WakeBound: the predecessor's pod is bound, by whomever.
	WakeBound Wake = "PredecessorBound"
	// WakeReady: the predecessor's pod becomes Ready.
	WakeReady Wake = "PredecessorReady"
	// WakePredecessorRecord: its record says that it has been bound.
	WakePredecessorRecord Wake = "PredecessorRecord"
	// WakeRecord: the ordinal's own record says that it has been bound.
	WakeRecord Wake = "Record"
	// WakeSet: the set appears, or gets another first ordinal.
	WakeSet Wake = "StatefulSet"
	// WakePolicy: the pod's own annotations change.
	WakePolicy Wake = "Annotations"
	// WakeTimeout: the deadline comes.
	WakeTimeout Wake = "Timeout"
)

// Verdict says whether the ordinal may go on.
type Verdict struct {
	// Waits is true if it may not be given a node yet.
	Waits bool
	// Reason is set in either case.
	Reason Reason
	// Message says why and, where the ordinal waits, what would let it go on.
	Message string
	// Wakes is what would; empty if it does not wait.
	Wakes []Wake
	// Deadline is when the timeout strikes of an ordinal that waits, for a node or on the
	// line; zero: never.
	Deadline time.Time
}

// Judge gives the verdict. The first rule that matches decides.
func Judge(f Facts) Verdict {
	for _, r := range rules {
		if r.matches(f) {
			v := Verdict{Reason: r.reason, Message: r.message(f)}
			if r.reason == ReasonPredecessorOnLine {
				v.Deadline = deadline(f)
			}
			return v
		}
	}
	return wait(f)
}

type rule struct {
	reason  Reason
	matches func(Facts) bool
	message func(Facts) string
}

// rules let an ordinal pass. They stand in the order of how little they still ask for:
// what waits for nobody comes before what waits on the line, and the timeout comes last,
// for it is told to the user and must not be named where the ordinal would have passed
// without it.
var rules = []rule{
	{ReasonUnordered, func(f Facts) bool { return f.Policy.Order == config.BindUnordered },
		func(Facts) string { return "The pod is bound in no order." }},
	{ReasonFirst, first,
		func(f Facts) string { return fmt.Sprintf("No ordinal of the set comes before %s.", f.Identity.Name()) }},
	{ReasonReplacement, func(f Facts) bool { return f.BoundOnce },
		func(f Facts) string { return fmt.Sprintf("%s has been bound before.", f.Identity.Name()) }},
	{ReasonPredecessorBound, func(f Facts) bool { return !untilReady(f) && f.Predecessor.BoundOnce },
		func(f Facts) string { return fmt.Sprintf("%s has been bound.", before(f)) }},
	{ReasonPredecessorReady, func(f Facts) bool { return untilReady(f) && f.Predecessor.Ready },
		func(f Facts) string { return fmt.Sprintf("%s is Ready.", before(f)) }},
	{ReasonPredecessorOnLine, func(f Facts) bool { return !untilReady(f) && f.Predecessor.OnLine },
		func(f Facts) string { return fmt.Sprintf("%s is on its way to a node.", before(f)) }},
	{ReasonTimeout, func(f Facts) bool { return f.Policy.Timeout > 0 && !f.Now.Before(deadline(f)) },
		func(f Facts) string { return TimeoutMessage(f.Identity, f.Policy) }},
}

// first: an ordinal below the first one is about to be deleted, and waits for nobody.
func first(f Facts) bool {
	return f.Identity.Ordinal == 0 || f.First != nil && f.Identity.Ordinal <= *f.First
}

func untilReady(f Facts) bool { return f.Policy.Order == config.BindOrdinalReady }

// deadline is zero where the policy has no timeout.
func deadline(f Facts) time.Time {
	if f.Policy.Timeout == 0 {
		return time.Time{}
	}
	return f.Created.Add(f.Policy.Timeout)
}

// wait is the verdict on an ordinal that no rule lets pass.
func wait(f Facts) Verdict {
	v := Verdict{Waits: true, Reason: ReasonPredecessorUnbound, Wakes: []Wake{WakeLine, WakeBound, WakePredecessorRecord}}
	release := fmt.Sprintf("Once %s is on its way to a node, it goes on", before(f))
	if untilReady(f) {
		v.Wakes = []Wake{WakeReady}
		release = fmt.Sprintf("Once %s is Ready, it goes on", before(f))
		if f.Predecessor.BoundOnce {
			v.Reason = ReasonPredecessorNotReady
		}
	}
	v.Wakes = append(v.Wakes, WakeRecord, WakeSet, WakePolicy)
	unknown := ""
	if f.First == nil {
		v.Reason = ReasonSetUnknown
		unknown = fmt.Sprintf(" The set %s has not been seen yet, so %s cannot be known to be its first.", f.Identity.Set, f.Identity.Name())
	}
	v.Deadline = deadline(f)
	if f.Policy.Timeout > 0 {
		v.Wakes = append(v.Wakes, WakeTimeout)
		release += fmt.Sprintf(", and at the latest %s after its creation", f.Policy.Timeout)
	}
	v.Message = fmt.Sprintf("%s waits for %s, which %s (bind order %s).%s %s.", f.Identity.Name(), before(f), lacks(f), f.Policy.Order, unknown, release)
	return v
}

// TimeoutMessage says of an ordinal that it goes on by its timeout.
func TimeoutMessage(id identity.Identity, policy Policy) string {
	f := Facts{Identity: id, Policy: policy}
	return fmt.Sprintf("%s goes on without %s, which %s: the pod is older than %s (%s).",
		id.Name(), before(f), lacks(f), policy.Timeout, v1alpha1.BindOrderTimeoutAnnotation)
}

// lacks says what the predecessor is not.
func lacks(f Facts) string {
	if untilReady(f) {
		return "is not Ready"
	}
	return "has not been bound yet"
}

func before(f Facts) string {
	id, _ := Before(f.Identity)
	return id.Name()
}

// Before returns the ordinal before; false if there is none.
func Before(id identity.Identity) (identity.Identity, bool) {
	if id.Ordinal == 0 {
		return identity.Identity{}, false
	}
	id.Ordinal--
	return id, true
}

// After returns the ordinal after; false if there can be none.
func After(id identity.Identity) (identity.Identity, bool) {
	if id.Ordinal == math.MaxInt32 {
		return identity.Identity{}, false
	}
	id.Ordinal++
	return id, true
}
