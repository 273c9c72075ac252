"""The processors that come with the package: thin over libraries that others keep well."""
