package plugin

// The reasons of the plugin's events.
const (
	// EventHeld (Warning; on the pod, and on its set where the guard does not tell it):
	// the pod is gated, why, and what would release it.
	EventHeld = "Held"
	// EventUnknownProtection (Warning; on the pod): its annotation holdfast.dev/protect is
	// no word that Holdfast knows, and counts as All.
	EventUnknownProtection = "UnknownProtection"
)

// actionScheduling is what the plugin was doing when it wrote an event.
const actionScheduling = "Scheduling"
