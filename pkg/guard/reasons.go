package guard

// The reasons of the guard's events.
const (
	// EventHeld (Warning; on the old pod, the replacement and the set): an identity is
	// held, why, and what would release it.
	EventHeld = "Held"
	// EventReleased (Normal; on the same): the hold is over, and by which evidence.
	EventReleased = "Released"
)

// actionGuarding is what the guard was doing when it wrote an event.
const actionGuarding = "Guarding"
