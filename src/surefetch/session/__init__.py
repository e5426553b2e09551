"""The session: settings, catalog and store together, one module per verb.

Nothing is imported here. The verbs that `import surefetch` offers are in `verbs`, and not in this package:
`get` would be hidden by the module of that name as soon as somebody imports it.
"""
