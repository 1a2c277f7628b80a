package privdrop

// builder makes a Plan, step by step, in the order of plan.
type builder struct {
	*Plan
	spec Spec
	host host
	caps []int // numbers of spec.Capabilities
}
