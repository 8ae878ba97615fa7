// Package check holds the invariants against the ground truth. It reads the
// world alone: never the API, and no code of the plugin, the guard or the
// decision packages, so that it cannot share a mistake with them. Of a release it
// is told by whoever watches the API, and holds the evidence against the world.
package check
