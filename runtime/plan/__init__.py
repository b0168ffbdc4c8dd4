"""Plans: from a specification to the list of steps that makes a container."""
