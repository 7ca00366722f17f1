/* gpu/subgroup.cl - the width of the sub-groups of kernels that keep much in registers.
 *
 * Intel's GPUs share the registers of a thread out to the work-items of a sub-group: in the narrowest
 * a work-item has the most, and some of its compilers take the widest all the same. There the host
 * defines BP_SUBGROUP, the narrowest (host/ops/gpu_registers.h). */
#ifndef BP_SUBGROUP_CL
#define BP_SUBGROUP_CL

#if defined(BP_SUBGROUP) && defined(cl_intel_required_subgroup_size)
#define BP_NARROW __attribute__((intel_reqd_sub_group_size(BP_SUBGROUP)))
#else
#define BP_NARROW
#endif

#endif
