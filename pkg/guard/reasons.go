package guard

// The reasons of the guard's events.
const (
	// EventHeld (Warning; on the old pod, the replacement and the set): an identity is
	// held, why, and what would release it.
	EventHeld = "Held"
	// EventReleased (Normal; on the same): the hold is over, and by which evidence.
	EventReleased = "Released"
)

// The actions of the guard's events: what it did when it wrote them.
const (
	actionHolding   = "Holding"
	actionReleasing = "Releasing"
)
