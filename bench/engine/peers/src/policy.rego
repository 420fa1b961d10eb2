# The evaluation of AWS policies as far as the corpora need it; policies are data.
package iam

import rego.v1

default decision := "implicitDeny"

decision := "explicitDeny" if {
	some layer in layers
	some statement in layer
	statement.effect == "Deny"
	applies(statement)
} else := "allowed" if {
	every layer in data.scps { allows(layer) }
	granted
}

layers contains data.identity
layers contains data.boundary
layers contains layer if some layer in data.scps
layers contains data.resource_policy if input.with_resource

granted if {
	input.with_resource
	allows(data.resource_policy)
}

granted if {
	allows(data.identity)
	within_boundary
}

within_boundary if count(data.boundary) == 0
within_boundary if allows(data.boundary)

allows(layer) if {
	some statement in layer
	statement.effect == "Allow"
	applies(statement)
}

applies(statement) if {
	about_action(statement)
	about_resource(statement)
	about_principal(statement)
	every condition in statement.conditions { holds(condition) }
}

about_action(statement) if {
	not statement.not
	listed(statement)
}

about_action(statement) if {
	statement.not
	not listed(statement)
}

listed(statement) if {
	some pattern in statement.actions
	glob.match(pattern, null, input.action)
}

about_resource(statement) if {
	some pattern in statement.resources
	glob.match(pattern, null, input.resource)
}

about_principal(statement) if not statement.principals
about_principal(statement) if "*" in statement.principals
about_principal(statement) if input.principal in statement.principals

holds(condition) if {
	condition.operator in {"Bool", "StringEquals"}
	input.context[condition.key] in condition.values
}

holds(condition) if {
	condition.operator == "StringNotEquals"
	not input.context[condition.key] in condition.values
}

holds(condition) if {
	condition.operator == "StringLike"
	some wanted in condition.values
	glob.match(wanted, null, input.context[condition.key])
}

holds(condition) if {
	condition.operator == "IpAddress"
	some wanted in condition.values
	net.cidr_contains(wanted, input.context[condition.key])
}

holds(condition) if {
	condition.operator == "DateLessThan"
	some wanted in condition.values
	input.context[condition.key] < wanted
}
