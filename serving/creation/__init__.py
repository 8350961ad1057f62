"""Pictures made of descriptions: the providers behind one protocol. `chain.create` asks them in turn."""
