"""What runs, when and where: graph, planning, execution, command line."""
