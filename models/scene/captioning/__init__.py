"""Dense captioning: what there is to say of each object; X-Trans2Cap and the methods beside it."""
