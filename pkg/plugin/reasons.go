package plugin

// The reasons of the plugin's events.
const (
	// EventHeld (Warning; on the pod, and on its set where the guard does not tell it):
	// the pod is gated, why, and what would release it.
	EventHeld = "Held"
	// EventUnknownProtection (Warning; on the pod): its annotation holdfast.dev/protect is
	// no word that Holdfast knows, and counts as All.
	EventUnknownProtection = "UnknownProtection"
	// EventBindOrder (Normal; on the pod): it has waited for a while for the ordinal before
	// it, and what would let it go on.
	EventBindOrder = "BindOrder"
	// EventBindOrderTimeout (Warning; on the pod): it goes on without the ordinal before it,
	// for its timeout has struck.
	EventBindOrderTimeout = "BindOrderTimeout"
	// EventUnknownBindOrder (Warning; on the pod): an annotation about its order cannot be
	// read, and the profile's value is taken.
	EventUnknownBindOrder = "UnknownBindOrder"
)

// actionScheduling is what the plugin was doing when it wrote an event.
const actionScheduling = "Scheduling"
