"""Said before anything is loaded: what cannot work with this model, machine, data or output."""
