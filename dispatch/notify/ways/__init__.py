"""The ways out, one small file each, behind the protocol of `way`. `chosen` makes those that the settings ask for."""
