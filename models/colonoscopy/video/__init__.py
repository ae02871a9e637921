"""Films of a colonoscopy: PVDM and LVDM, which know no mask, and a film under a mask that moves."""
