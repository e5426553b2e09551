"""The machine: settings of package clients, local commands, folders. It looks, and decides nothing."""
