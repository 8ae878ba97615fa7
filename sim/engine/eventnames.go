package engine

import (
	"context"
	"fmt"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/admission"
)

// eventNames keeps apart the events of one instant. Recorders name an event after its
// object and the nanosecond (client-go tools/record/util, GenerateEventName). In virtual
// time much happens in one nanosecond, and of two events the API server would refuse
// the second, which so gets a name of its own here. A recorder does not learn of it:
// what it counts as repetitions of the second is counted with the first.
type eventNames struct {
	next admission.Interface

	mu    sync.Mutex
	given map[string]int
}

// Handles implements admission.Interface.
func (*eventNames) Handles(admission.Operation) bool { return true }

// unused is the name, or another one if an event had it before.
func (e *eventNames) unused(namespace, name string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := e.given[namespace+"/"+name]
	e.given[namespace+"/"+name] = n + 1
	if n > 0 {
		name = fmt.Sprintf("%s.%d", name, n)
	}
	return name
}

// Admit implements admission.MutationInterface.
func (e *eventNames) Admit(ctx context.Context, a admission.Attributes, o admission.ObjectInterfaces) error {
	if a.GetResource().Resource == "events" && a.GetOperation() == admission.Create {
		if event, ok := a.GetObject().(metav1.Object); ok {
			event.SetName(e.unused(event.GetNamespace(), event.GetName()))
		}
	}
	if next, ok := e.next.(admission.MutationInterface); ok && next.Handles(a.GetOperation()) {
		return next.Admit(ctx, a, o)
	}
	return nil
}

// Validate implements admission.ValidationInterface.
func (e *eventNames) Validate(ctx context.Context, a admission.Attributes, o admission.ObjectInterfaces) error {
	if next, ok := e.next.(admission.ValidationInterface); ok && next.Handles(a.GetOperation()) {
		return next.Validate(ctx, a, o)
	}
	return nil
}
