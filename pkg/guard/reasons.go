package guard

// The reasons of the guard's events.
const (
	// EventHeld (Warning; on the old pod, the replacement and the set): an identity is
	// held, why, and what would release it.
	EventHeld = "Held"
	// EventReleased (Normal; on the same): the hold is over, and by which evidence.
	EventReleased = "Released"
	// EventBypassed (Warning; on the pod and the set): a pod of the profile was bound by
	// somebody else than Holdfast (H15).
	EventBypassed = "BypassedScheduler"
	// EventKubeletTooOld (Warning; on the Node): its kubelet is older than 1.35, and may
	// start a deleted pod again from a stale list (H7).
	EventKubeletTooOld = "KubeletTooOld"
)

// The actions of the guard's events: what it did when it wrote them.
const (
	actionHolding   = "Holding"
	actionReleasing = "Releasing"
	actionAdopting  = "Adopting"
	actionWatching  = "Watching"
)
