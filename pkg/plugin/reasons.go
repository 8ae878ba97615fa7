package plugin

// The reasons of the plugin's events.
const (
	// EventHeld (Warning; on the pod): it is gated, why, and what would release it.
	EventHeld = "Held"
)

// actionScheduling is what the plugin was doing when it wrote an event.
const actionScheduling = "Scheduling"
