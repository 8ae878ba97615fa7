//go:build deterministic

// Empty: its presence lets the compiler accept seedRuntime, which has no body here.
